"""Pods are as restricted as they can be, and reach only whom they have to."""

from typing import Any

import pytest

from tests.charts.rendering import Document, pod_specs, render
from tests.charts.shapes import EVERY

pytestmark = pytest.mark.helm

INSTANCE = {"app.kubernetes.io/instance": "shop"}


def containers(pod: Document) -> list[Document]:
    return [*pod.get("initContainers", []), *pod["containers"]]


@pytest.mark.parametrize(("chart", "flags"), EVERY)
def test_every_pod_is_restricted(chart: str, flags: list[str]) -> None:
    for name, pod in pod_specs(render(chart, *flags)).items():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["enableServiceLinks"] is False, name
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert "memory" in container["resources"]["limits"], name
            assert {"cpu", "memory"} == set(container["resources"]["requests"]), name


@pytest.mark.parametrize(("chart", "flags"), EVERY)
def test_only_those_who_ask_the_cluster_have_a_token(chart: str, flags: list[str]) -> None:
    pods = pod_specs(render(chart, *flags))
    may = {name for name, pod in pods.items() if pod["automountServiceAccountToken"]}
    assert may <= {"Job/shop-secrets", "Deployment/shop-operator", "StatefulSet/shop-prometheus"}


Flow = tuple[str, str, str]  # from, to, port


def labels_of(documents: list[Document]) -> dict[str, dict[str, str]]:
    """The labels of every pod, by its name label."""
    found = {}
    for each in documents:
        body = each["spec"]["template"] if "template" in each.get("spec", {}) else each
        if each["kind"] in ("Deployment", "StatefulSet", "Job", "Pod", "DaemonSet"):
            labels = body["metadata"]["labels"]
            found[labels["app.kubernetes.io/name"]] = labels
    return found


def selected(selector: Any, pods: dict[str, dict[str, str]]) -> set[str]:
    wanted = selector["matchLabels"].items()
    return {name for name, labels in pods.items() if wanted <= labels.items()}


def flows(documents: list[Document], direction: str, peers: str) -> set[Flow]:
    """Every allowed pair of pods of the release, as one side of policies says it."""
    pods = labels_of(documents)
    found: set[Flow] = set()
    for policy in (each for each in documents if each["kind"] == "NetworkPolicy"):
        for own in selected(policy["spec"]["podSelector"], pods):
            for rule in policy["spec"].get(direction) or []:
                named = [
                    peer["podSelector"] for peer in rule.get(peers, []) if "podSelector" in peer
                ]
                others = {name for selector in named for name in selected(selector, pods)}
                ports = [str(port["port"]) for port in rule.get("ports", [])]
                pairs = [
                    (other, own) if direction == "ingress" else (own, other) for other in others
                ]
                found |= {(*pair, port) for pair in pairs for port in ports}
    return found


def ports_of(documents: list[Document]) -> dict[tuple[str, str], str]:
    """The number of every named port, by pod and name."""
    found = {}
    pods = pod_specs(documents)
    for each in documents:
        pod = pods.get(f"{each['kind']}/{each['metadata']['name']}")
        for port in (
            p for c in (pod or {"containers": []})["containers"] for p in c.get("ports", [])
        ):
            name = each["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]
            found[name, port["name"]] = str(port["containerPort"])
    return found


def numbered(found: set[Flow], documents: list[Document]) -> set[Flow]:
    ports = ports_of(documents)
    numbers = {(one, other, ports.get((other, port), port)) for one, other, port in found}
    return {flow for flow in numbers if flow[2].isdigit()}  # to a port that the other has


@pytest.mark.parametrize("flags", [["--set=sandbox.customers.rate=1,nats.replicas=3"]])
def test_whoever_calls_is_let_in_and_nobody_else(flags: list[str]) -> None:
    documents = render("tallystick", *flags)
    out = numbered(flows(documents, "egress", "to"), documents)
    into = numbered(flows(documents, "ingress", "from"), documents)
    known = set(labels_of(documents))
    everybody = {flow for flow in out if flow[1:] == ("orders", "8000")}  # its door is open to all
    assert out - everybody == {flow for flow in into if {flow[0], flow[1]} <= known}
