"""Who reaches whom: the declared flows and no others, whatever the values say."""

import json
import re

import pytest

from tests.charts.flows import ELSEWHERE, OTHER_PORTS, USUAL, flows, judged, pods
from tests.charts.rendering import REPOSITORY, render
from tests.charts.shapes import URLS

pytestmark = pytest.mark.helm

CUSTOMERS = "--set=sandbox.customers.rate=1"
HOST = json.dumps([{"ipBlock": {"cidr": "10.1.2.3/32"}}])
CAFE = json.dumps([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "cafe"}}}])
WATCHED = "orders:9000 payments:9000 shipping:9000 sandbox:9000 operator:9000 nats:7777 jaeger:8888"
PRODUCTION = f"--values={REPOSITORY}/deploy/values-production.yaml"

SHAPES: dict[str, tuple[list[str], str, str]] = {
    "as it is": ([], "", ""),
    "three brokers": (
        ["--set=nats.replicas=3"],
        "nats -> nats:6222 elsewhere:53",
        "",
    ),
    "provider and carrier by https": (
        [
            "--set=sandbox.enabled=false,payments.settings.PROVIDER_URL=https://pay.example.com/v1",
            "--set=shipping.settings.CARRIER_URL=https://carrier.example.com:8443",
        ],
        "payments -> elsewhere:443\nshipping -> elsewhere:8443",
        "",
    ),
    "another broker": (
        ["--set=nats.enabled=false,nats.url=nats://nats.messaging:4333"],
        "orders payments shipping operator -> elsewhere:4333",
        "",
    ),
    "another broker, by its address": (
        ["--set=nats.enabled=false,nats.url=tls://10.1.2.3"],
        "orders payments shipping operator -> 10.1.2.3:4222",
        "",
    ),
    "another broker, by secrets": (
        [
            "--set=orders.nats.secret=a,payments.nats.secret=b",
            "--set=payments.networkPolicy.to.broker.port=4333",
            f"--set-json=orders.networkPolicy.to.broker.peers={HOST}",
        ],
        "orders -> 10.1.2.3:4222\npayments -> elsewhere:4333",
        "orders payments -> nats:4222",
    ),
    "another database": (
        [
            "--set=postgres.enabled=false,orders.networkPolicy.to.database.port=6432",
            f"--set-json=orders.networkPolicy.to.database.peers={HOST}",
            *URLS,
        ],
        "orders -> 10.1.2.3:6432\npayments shipping sandbox -> elsewhere:5432",
        "",
    ),
    "spans elsewhere": (
        ["--set=tracing.endpoint=http://collector.tracing:4319"],
        "orders payments shipping sandbox -> elsewhere:4319",
        "orders payments shipping sandbox -> jaeger:4318",
    ),
    "spans of one service elsewhere": (
        ["--set=orders.tracing.endpoint=http://10.1.2.3:4319"],
        "orders -> 10.1.2.3:4319",
        "orders -> jaeger:4318",
    ),
    "the Prometheus of an operator": (
        ["--set=prometheus.enabled=false,prometheus.operator.enabled=true"],
        f"monitoring -> {WATCHED}",
        "",
    ),
    "another Prometheus": (
        ["--set=prometheus.enabled=false", f"--set-json=networkPolicy.prometheus={CAFE}"],
        f"cafe -> {WATCHED}",
        "",
    ),
    "a Grafana that asks elsewhere": (
        [
            "--set=prometheus.enabled=false,prometheus.url=https://prometheus.example.com",
            "--set=jaeger.enabled=false,jaeger.url=http://10.1.2.3:16686",
        ],
        "grafana -> elsewhere:443 10.1.2.3:16686",
        "",
    ),
    "another port of the API": (
        [
            "--set=networkPolicy.api.ports={16443}",
            f"--set-json=networkPolicy.api.peers={HOST}",
        ],
        "operator prometheus secrets -> 10.1.2.3:16443",
        "operator prometheus secrets -> elsewhere:443 elsewhere:6443",
    ),
    "others on the broker and the database": (
        [f"--set-json={part}.clients={CAFE}" for part in ("nats", "postgres", "jaeger")],
        "cafe -> nats:4222 postgres:5432 jaeger:4318",
        "",
    ),
    "orders elsewhere": (
        ["--set=ordersUrl=https://orders.example.com"],
        "test customers -> elsewhere:443",
        "test customers -> orders:8000",
    ),
    "production": (
        [PRODUCTION],
        "payments shipping -> elsewhere:443\nnats -> nats:6222 elsewhere:53",
        "",
    ),
}
"""Values, the flows that they add to the usual ones, and those that they take away."""


@pytest.mark.parametrize(("flags", "added", "gone"), SHAPES.values(), ids=SHAPES)
def test_the_declared_flows_are_allowed_and_no_others(
    flags: list[str], added: str, gone: str
) -> None:
    documents = render("tallystick", CUSTOMERS, *flags)
    present = {end.name for end in pods(documents)}
    declared = flows(USUAL, present) - flows(gone, present) | flows(added, present)
    outside = {int(port) for port in re.findall(r"(?:elsewhere|10\.1\.2\.3):(\d+)", added)}
    found = dict(judged(documents, {*OTHER_PORTS, *outside}))
    assert declared <= set(found), "a flow that could not be"
    assert {flow for flow, is_allowed in found.items() if is_allowed} == declared


def test_a_service_alone_lets_the_prometheus_of_an_operator_in() -> None:
    documents = render(
        "service", "--set=service=brewery,serviceMonitor.enabled=true", release="brewery"
    )
    found = dict(judged(documents, {443}))
    assert found["monitoring -> brewery:9000"]
    assert not found["stranger -> brewery:9000"]


def test_a_service_alone_reaches_what_its_settings_name() -> None:
    documents = render(
        "service",
        "--set=service=brewery,settings.ROASTER_URL=https://roaster.example.com:8443",
        "--set=networkPolicy.to.roaster.setting=ROASTER_URL,tracing.endpoint=http://10.1.2.3:4318",
        release="brewery",
    )
    found = judged(documents, {443, 4318, 8443})
    reached = {flow for flow, is_allowed in found if is_allowed and flow.startswith("brewery ->")}
    assert reached == {"brewery -> 10.1.2.3:4318"} | {
        f"brewery -> {end.name}:8443" for end in ELSEWHERE
    }


def test_a_url_whose_port_nobody_knows_is_refused() -> None:
    with pytest.raises(AssertionError, match="say its port"):
        render("tallystick", "--set=tracing.endpoint=otlp://collector")
