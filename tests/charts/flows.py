"""The flows that the platform declares, as a table, and those that its manifests allow."""

from collections.abc import Iterator

from tests.charts.policies import Connection, End, allowed
from tests.charts.rendering import Document, of_kind

NAMESPACE = "test"
INTERNET = End("internet", address="203.0.113.7")
HOST = End("10.1.2.3", address="10.1.2.3")
STRANGER = End("stranger", NAMESPACE)
CAFE = End("cafe", "cafe", {"app.kubernetes.io/name": "cafe", "app.kubernetes.io/instance": "cafe"})
WATCHER = End("monitoring", "monitoring", {"app.kubernetes.io/name": "prometheus"})
ELSEWHERE = (INTERNET, HOST, STRANGER, CAFE, WATCHER)
"""Whoever is not of the release: outside the cluster, beside it, in another namespace."""

USUAL = """
orders payments shipping operator              -> nats:4222
orders payments shipping sandbox               -> postgres:5432
orders payments shipping sandbox               -> jaeger:4318
payments shipping                              -> sandbox:8000
sandbox                                        -> payments:8000
test customers elsewhere                       -> orders:8000
elsewhere                                      -> payments:8000 shipping:8000 grafana:3000
prometheus                                     -> orders:9000 payments:9000 shipping:9000
prometheus                                     -> sandbox:9000 operator:9000 nats:7777 jaeger:8888
grafana                                        -> prometheus:9090 jaeger:16686
operator prometheus secrets                    -> elsewhere:443 elsewhere:6443
orders payments shipping sandbox operator      -> elsewhere:53
grafana test customers                         -> elsewhere:53
"""
"""Of the values as they are, with customers; flows of pods that a shape lacks are not there."""

OTHER_PORTS = (53, 80, 443, 4222, 4318, 5432, 6443, 9090, 16686)
"""Ports that are tried of those elsewhere, besides those that a table names."""


def flows(table: str, present: set[str]) -> set[str]:
    """Return the table's flows as `source -> target:port`, between ends that are there."""
    everybody = present | {end.name for end in ELSEWHERE}
    found = set()
    for line in filter(None, table.splitlines()):
        sources, _, targets = line.partition("->")
        for target in targets.split():
            name, _, port = target.partition(":")
            found |= {
                f"{one} -> {other}:{port}"
                for source in sources.split()
                for one in _ends(source)
                for other in _ends(name)
                if {one, other} <= everybody
            }
    return found


def _ends(name: str) -> list[str]:
    return [end.name for end in ELSEWHERE] if name == "elsewhere" else [name]


def pods(documents: list[Document]) -> list[End]:
    """Return the pods of the release, each named after its program."""
    found = []
    for each in documents:
        pod = each["spec"]["template"] if "template" in each.get("spec", {}) else each
        if "containers" not in pod.get("spec", {}):
            continue
        labels = pod["metadata"]["labels"]
        ports = {
            port["name"]: port["containerPort"]
            for container in pod["spec"]["containers"]
            for port in container.get("ports", ())
        }
        found.append(End(labels["app.kubernetes.io/name"], NAMESPACE, labels, ports))
    return found


def judged(documents: list[Document], outside: set[int]) -> Iterator[tuple[str, bool]]:
    """Yield each flow that could be, and whether it is allowed; `outside` are ports elsewhere."""
    policies = list(of_kind(documents, "NetworkPolicy").values())
    release = pods(documents)
    ends = [*release, *ELSEWHERE]
    for source in ends:
        for target in ends:
            if source not in release and target not in release:
                continue
            for port in outside if target in ELSEWHERE else target.ports.values():
                protocol = "UDP" if port == 53 else "TCP"
                tried = Connection(source, target, port, protocol)
                flow = f"{source.name} -> {target.name}:{port}"
                yield flow, allowed(policies, tried, NAMESPACE)
