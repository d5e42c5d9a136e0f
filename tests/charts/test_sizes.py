"""What runs fits into what it is given: the table of docs/kubernetes.md, computed from values."""

from collections.abc import Callable

import pytest

from tests.charts.rendering import REPOSITORY, of_kind, pod_specs, render
from tests.charts.shapes import FILES
from tests.charts.sizes import (
    BROKER_IDLE_M,
    BROKER_ORDER_MS,
    DATABASE_IDLE_M,
    DATABASE_ORDER_MS,
    OTHERS,
    Sizes,
    amount,
    memory_mib,
)

pytestmark = pytest.mark.helm

DEPLOY = REPOSITORY / "deploy"
RATES = {"kind": 15, "production": 40, "large": 160}
"""Orders a second that the given values are made for."""
GO = ("nats", "exporter", "prometheus", "grafana", "jaeger")
SERVICE_MIB = 100  # of a service beside the process of quarantined messages


def sizes(name: str) -> Sizes:
    flags = [f"--values={DEPLOY / file}" for file in FILES[name]]
    return Sizes(RATES[name], render("tallystick", *flags))


@pytest.fixture(scope="module", params=list(RATES))
def given(request: pytest.FixtureRequest) -> Sizes:
    return sizes(request.param)


def test_the_database_takes_every_connection_of_an_update_of_all_services(given: Sizes) -> None:
    assert given.connections + OTHERS <= int(given.parameter("max_connections"))


def test_the_database_has_the_memory_of_its_connections(given: Sizes) -> None:
    resources = given.resources("postgres")
    assert given.usual_mib <= memory_mib(resources, "requests")
    assert given.most_mib <= memory_mib(resources, "limits")


def test_a_service_uses_no_more_than_what_it_requests_and_no_autoscaler_adds_a_pod(
    given: Sizes,
) -> None:
    for service in {each.service for each in given.workloads}:
        assert given.used_m(service) <= given.given_m(service), service


@pytest.mark.parametrize(
    ("program", "idle", "order"),
    [
        ("postgres", DATABASE_IDLE_M, DATABASE_ORDER_MS),
        ("nats", BROKER_IDLE_M, BROKER_ORDER_MS),
    ],
)
def test_the_database_and_the_broker_use_no_more_than_they_request(
    given: Sizes, program: str, idle: int, order: int
) -> None:
    requested = amount(given.resources(program)["requests"]["cpu"]) * 1000
    assert idle + given.orders * order <= requested


def test_go_programs_know_nine_tenths_of_their_limit(given: Sizes) -> None:
    found = {}
    for pod in pod_specs(given.documents).values():
        for container in pod["containers"]:
            known = [
                one["value"] for one in container.get("env") or () if one["name"] == "GOMEMLIMIT"
            ]
            if known:
                found[container["name"]] = int(known[0])
                limit = amount(container["resources"]["limits"]["memory"])
                assert known == [str(int(limit * 0.9))], container["name"]
    assert set(found) == set(GO)


def test_a_service_and_its_quarantined_messages_fit_into_the_limit(given: Sizes) -> None:
    settings = of_kind(given.documents, "ConfigMap")
    for name, each in of_kind(given.documents, "Deployment").items():
        container = each["spec"]["template"]["spec"]["containers"][0]
        for source in container.get("envFrom", ()):
            data = settings[source["configMapRef"]["name"]]["data"]
            (mib,) = (
                value for key, value in data.items() if key.endswith("_QUARANTINE_MEMORY_MIB")
            )
            assert memory_mib(container["resources"], "limits") >= SERVICE_MIB + int(mib), name


def _memory(given: Sizes, kind: str, used: float) -> str:
    return f"{used:.0f} / {memory_mib(given.resources('postgres'), kind)} MiB"


def _cpu(service: str) -> Callable[[Sizes], str]:
    return lambda given: f"{given.used_m(service):.0f} / {given.given_m(service):.0f}m"


def _go(given: Sizes) -> str:
    limit = memory_mib(given.resources("nats"), "limits")
    return f"{limit * 9 // 10} / {limit} MiB"


ROWS: dict[str, Callable[[Sizes], str]] = {
    "orders a second": lambda given: f"{given.orders:g}",
    "connections, most": lambda given: f"{given.connections}",
    "`max_connections`": lambda given: given.parameter("max_connections"),
    "PostgreSQL's memory, usual / requested": lambda given: _memory(
        given, "requests", given.usual_mib
    ),
    "PostgreSQL's memory, most / limit": lambda given: _memory(given, "limits", given.most_mib),
    "CPU of orders, used / requested": _cpu("orders"),
    "CPU of payments, used / requested": _cpu("payments"),
    "CPU of shipping, used / requested": _cpu("shipping"),
    "`GOMEMLIMIT` of NATS / its limit": _go,
}


def test_the_documented_table_is_the_computed_one() -> None:
    columns = [sizes(name) for name in RATES]
    head = f"| | {' | '.join(RATES)} |\n|---|---|---|---|\n"
    rows = (
        f"| {title} | {' | '.join(of(given) for given in columns)} |\n"
        for title, of in ROWS.items()
    )
    table = head + "".join(rows)
    documented = (REPOSITORY / "docs" / "kubernetes.md").read_text()
    assert table in documented, f"docs/kubernetes.md should have:\n{table}"
