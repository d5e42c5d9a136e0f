"""What watches the platform, as it is committed; and absent where a company has its own."""

import re
from typing import Any

import pytest
import yaml

from tallystick_local.services import SERVICES
from tests.charts.rendering import HELM, Document, of_kind, render

pytestmark = pytest.mark.helm

CHART = HELM / "tallystick"
OURS = ("prometheus", "grafana", "jaeger")
SCRAPED = {"admin", "metrics"}
OPERATOR = "--set=prometheus.operator.enabled=true"


def rules(texts: dict[str, str]) -> list[Any]:
    return [group for name in sorted(texts) for group in yaml.safe_load(texts[name])["groups"]]


@pytest.fixture(scope="module")
def rendered() -> list[Document]:
    return render("tallystick", OPERATOR, "--set=prometheus.runbooks=https://books.example.com")


def test_prometheus_has_the_rules_and_each_alert_the_address_of_its_runbook(
    rendered: list[Document],
) -> None:
    given = of_kind(rendered, "ConfigMap")["shop-prometheus-rules"]["data"]
    files = {path.name: path.read_text() for path in (CHART / "rules").glob("*.yaml")}
    addressed = {
        name: re.sub(r"runbook_url: ", "runbook_url: https://books.example.com/", text)
        for name, text in files.items()
    }
    assert rules(given) == rules(addressed)


def test_the_operator_of_another_prometheus_is_given_the_same_rules(
    rendered: list[Document],
) -> None:
    given = of_kind(rendered, "ConfigMap")["shop-prometheus-rules"]["data"]
    assert of_kind(rendered, "PrometheusRule")["shop"]["spec"]["groups"] == rules(given)


def test_grafana_has_the_dashboards_as_they_are_committed(rendered: list[Document]) -> None:
    given = of_kind(rendered, "ConfigMap")["shop-grafana-dashboards"]["data"]
    assert given == {path.name: path.read_text() for path in CHART.glob("dashboards/*.json")}


def test_what_is_scraped_are_ports_that_pods_have(rendered: list[Document]) -> None:
    pods = [
        (each["metadata"]["name"], container.get("ports", ()))
        for each in rendered
        if each["kind"] in {"Deployment", "StatefulSet"}
        for container in each["spec"]["template"]["spec"]["containers"]
    ]
    scraped = {name for name, ports in pods for port in ports if port["name"] in SCRAPED}
    services = {f"shop-{name}" for name in SERVICES}
    assert services | {"shop-nats", "shop-jaeger"} <= scraped


@pytest.mark.parametrize("name", OURS)
def test_each_is_switched_off_by_one_value(name: str) -> None:
    documents = render("tallystick", f"--set={name}.enabled=false")
    assert [each for each in documents if each["metadata"]["name"].startswith(f"shop-{name}")] == []


@pytest.mark.parametrize(
    ("flag", "setting", "told"),
    [
        ("tracing.ratio=0.25", "TRACE_RATIO", "0.25"),
        ("tracing.endpoint=http://collector:4318", "OTLP_ENDPOINT", "http://collector:4318"),
        ("jaeger.enabled=false", "OTLP_ENDPOINT", None),
    ],
)
def test_a_change_of_tracing_replaces_the_pods_of_every_service(
    rendered: list[Document], flag: str, setting: str, told: str | None
) -> None:
    changed = render("tallystick", f"--set={flag}")
    for name in SERVICES:
        settings = of_kind(changed, "ConfigMap")[f"shop-{name}"]["data"]
        assert settings.get(f"{name.upper()}_{setting}") == told
        assert checksum(changed, name) != checksum(rendered, name)


def checksum(documents: list[Document], service: str) -> str:
    template = of_kind(documents, "Deployment")[f"shop-{service}"]["spec"]["template"]
    found: str = template["metadata"]["annotations"]["checksum/config"]
    return found


def test_a_service_may_send_its_spans_elsewhere() -> None:
    documents = render("tallystick", "--set=orders.tracing.endpoint=http://own:4318")
    configured = of_kind(documents, "ConfigMap")
    assert configured["shop-orders"]["data"]["ORDERS_OTLP_ENDPOINT"] == "http://own:4318"
    assert (
        configured["shop-payments"]["data"]["PAYMENTS_OTLP_ENDPOINT"] == "http://shop-jaeger:4318"
    )
