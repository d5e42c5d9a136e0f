"""Pods are as restricted as they can be."""

import pytest

from tests.charts.rendering import Document, pod_specs, render
from tests.charts.shapes import EVERY

pytestmark = pytest.mark.helm


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
