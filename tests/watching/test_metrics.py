"""What dashboards and rules ask for is what services and the broker's exporter tell."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families

import tallystick_operator.metrics  # noqa: F401  # it has told Prometheus what it tells
from helm.tallystick.files import volume_metrics
from tallystick.testing import NatsServer
from tallystick_local.services import SERVICES
from tests.platform import Platform, running
from tests.watching import promql, sources

EXPORTER = Path(__file__).with_name("nats_exporter.txt")
PROMETHEUS = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate", "severity"}}
GIVEN = {"job", "instance", "le"}
"""Labels that every target or every histogram has."""
ENDINGS = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}

Labels = Mapping[str, set[str]]


@pytest.fixture(scope="module")
async def told(nats: NatsServer, databases: Mapping[str, str]) -> AsyncIterator[Labels]:
    """All metrics by name, with their labels, once an order was shipped and another cancelled."""
    async with running(nats, databases, SERVICES) as platform:
        await _orders(platform)
        yield PROMETHEUS | _exporters() | _volumes() | _services() | _recorded()


async def _orders(platform: Platform) -> None:
    shipped, declined = await platform.place(), await platform.place(payment_token="tok_declined")
    assert [(await order.end())[0] for order in (shipped, declined)] == ["shipped", "declined"]


def _services() -> dict[str, set[str]]:
    families = text_string_to_metric_families(generate_latest(REGISTRY).decode())
    return {
        f"{family.name}{ending}": {label for sample in family.samples for label in sample.labels}
        for family in families
        for ending in ENDINGS.get(family.type, ("",))
    }


def _recorded() -> dict[str, set[str]]:
    return {name: set() for name in sources.recorded()}


def _volumes() -> dict[str, set[str]]:
    families = text_string_to_metric_families(volume_metrics.told({"/data": (2, 1)}))
    return {one.name: set(one.samples[0].labels) for one in families}


def _exporters() -> dict[str, set[str]]:
    lines = [line for line in EXPORTER.read_text().splitlines() if not line.startswith("#")]
    return {name: set(labels) for name, *labels in map(str.split, lines)}


EVERYTHING = [*sources.of_rules(), *sources.of_panels(), *sources.of_marks()]


@pytest.mark.parametrize(("place", "text"), EVERYTHING, ids=[place for place, _ in EVERYTHING])
def test_every_metric_that_is_asked_for_is_told(place: str, text: str, told: Labels) -> None:
    asked = promql.metrics(text)
    assert asked
    assert asked <= set(told), f"{place}: nobody tells {sorted(asked - set(told))}"


@pytest.mark.parametrize(("place", "text"), EVERYTHING, ids=[place for place, _ in EVERYTHING])
def test_every_label_that_selects_is_one_of_its_metric(place: str, text: str, told: Labels) -> None:
    for metric, label in promql.matchers(text):
        known = told[metric]
        assert not known or label in known | GIVEN, f"{place}: {metric} has no {label}"


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('sum by (job) (rate(a_total{x="y"}[5m] offset 30s))', {"a_total"}),
        ("a:b:rate5m > 14.4 * 0.001 and on (job) up == 1", {"a:b:rate5m", "up"}),
        ('label_replace(max(b), "of", "c", "", "") or vector(0)  # d', {"b"}),
    ],
)
def test_the_metrics_of_an_expression_are_found(expression: str, names: set[str]) -> None:
    assert promql.metrics(expression) == names
