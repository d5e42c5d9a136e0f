"""What the services of a release take, by the values of the chart: connections, memory, CPU."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from tallystick import Settings
from tests.charts.rendering import Document, of_kind, pod_specs

KEPT = 12
"""Connections of the library in each pod: the section "Connections" of docs/storage.md."""
OTHERS = 10
"""Connections of people, backups and the server's reserve."""
IDLE_M, ORDER_MS = 20, 4
"""CPU of a pod of a service that does nothing, and of a service for one order."""
DATABASE_IDLE_M, DATABASE_ORDER_MS = 40, 7
BROKER_IDLE_M, BROKER_ORDER_MS = 10, 5
USUAL_MIB, BUSY_MIB = 4, 8
"""Memory of a connection of PostgreSQL that is used now and then, and of one that always is."""
UPKEEP_MIB = 256
"""Memory of PostgreSQL's autovacuum and of what else it runs beside connections."""

_UNITS = {"m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_UNITS |= {f"{prefix}i": 1024.0**power for power, prefix in enumerate("KMGT", start=1)}
MIB = 1024**2


def amount(text: object) -> float:
    """Return a quantity of Kubernetes, such as 200m or 512Mi, as a number; raises ValueError."""
    found = re.fullmatch(r"([0-9.]+)(m|[kMG]|[KMGT]i)?", str(text))
    if found is None:
        raise ValueError(f"not a quantity: {text}")
    return float(found[1]) * _UNITS[found[2] or ""]


@dataclass(frozen=True)
class Workload:
    """A Deployment of a service: its pods usually, and at most, with the one more of an update."""

    service: str
    usual: int
    most: int
    requested_m: float
    target: float
    """The share of the requested CPU at which an autoscaler adds pods; 1 without one."""
    connections: int


def workloads(documents: list[Document]) -> Iterator[Workload]:
    """Yield the Deployments whose pods use a database."""
    scalers = of_kind(documents, "HorizontalPodAutoscaler")
    settings = of_kind(documents, "ConfigMap")
    for name, each in of_kind(documents, "Deployment").items():
        container = each["spec"]["template"]["spec"]["containers"][0]
        if not any(one["name"].endswith("_DATABASE_URL") for one in container.get("env") or ()):
            continue
        of_service = settings[container["envFrom"][0]["configMapRef"]["name"]]["data"]
        scaler = scalers.get(name, {}).get("spec")
        replicas = each["spec"].get("replicas", 0)
        yield Workload(
            service=container["name"],
            usual=scaler["minReplicas"] if scaler else replicas,
            most=1 + (scaler["maxReplicas"] if scaler else replicas),
            requested_m=1000 * amount(container["resources"]["requests"]["cpu"]),
            target=_target(scaler) if scaler else 1.0,
            connections=KEPT + _chosen(of_service, "queries") + _chosen(of_service, "transactions"),
        )


def _target(scaler: Document) -> float:
    (metric,) = scaler["metrics"]
    percent: int = metric["resource"]["target"]["averageUtilization"]
    return percent / 100


def _chosen(settings: Document, purpose: str) -> int:
    field = f"database_{purpose}"
    said = (value for name, value in settings.items() if name.endswith(field.upper()))
    return int(next(said, Settings.model_fields[field].default))


@dataclass(frozen=True)
class Sizes:
    """What a release takes at so many orders a second, and what it is given."""

    orders: float
    documents: list[Document]

    @property
    def workloads(self) -> list[Workload]:
        """The Deployments of the services."""
        return list(workloads(self.documents))

    @property
    def connections(self) -> int:
        """The most connections of all services, while all are updated at once."""
        return sum(each.most * each.connections for each in self.workloads)

    def used_m(self, service: str) -> float:
        """CPU of all pods of a service, in thousandths."""
        pods = sum(each.usual for each in self.workloads if each.service == service)
        return pods * IDLE_M + self.orders * ORDER_MS

    def given_m(self, service: str) -> float:
        """CPU of all pods of a service before an autoscaler adds one, in thousandths."""
        own = [each for each in self.workloads if each.service == service]
        return sum(each.usual * each.requested_m * each.target for each in own)

    def resources(self, program: str) -> Document:
        """Return the resources of the first container of a StatefulSet."""
        pod = pod_specs(self.documents)[f"StatefulSet/shop-{program}"]
        found: Document = pod["containers"][0]["resources"]
        return found

    def parameter(self, name: str) -> str:
        """Return a parameter of PostgreSQL, as its command line has it."""
        pod = pod_specs(self.documents)["StatefulSet/shop-postgres"]
        args = (str(each).partition("=") for each in pod["containers"][0]["args"])
        return next(value for key, _, value in args if key == name)

    @property
    def shared_mib(self) -> float:
        """PostgreSQL's shared buffers, which it has with MB and GB."""
        return amount(self.parameter("shared_buffers").replace("B", "i")) / MIB

    @property
    def usual_mib(self) -> float:
        """PostgreSQL's memory with the usual pods."""
        connections = sum(each.usual * each.connections for each in self.workloads)
        return self.shared_mib + connections * USUAL_MIB

    @property
    def most_mib(self) -> float:
        """PostgreSQL's memory with every connection that it takes, each at its busiest."""
        return self.shared_mib + int(self.parameter("max_connections")) * BUSY_MIB + UPKEEP_MIB


def memory_mib(resources: Document, kind: str) -> int:
    """Return the memory of `requests` or `limits` in MiB."""
    return math.floor(amount(resources[kind]["memory"]) / MIB)
