"""Values arrive as they were written."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.charts.rendering import Document, of_kind, pod_specs, render

pytestmark = pytest.mark.helm

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
MANY = 5_000_000
LABEL = "app.kubernetes.io/version"


def rendered(folder: Path, values: dict[str, Any], chart: str = "tallystick") -> list[Document]:
    """Render with a file of values, in which helm takes each number for a fraction."""
    file = folder / "values.yaml"
    file.write_text(json.dumps(values))
    return render(chart, f"--values={file}")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (MANY, "5000000"),
        (0.25, "0.25"),
        (True, "true"),
        ("5e6", "5e6"),
        ("{{ .Release.Name }}", "shop"),
    ],
)
def test_a_setting_is_told_as_it_was_written(tmp_path: Path, value: object, told: str) -> None:
    documents = rendered(tmp_path, {"orders": {"settings": {"LIMIT": value}}})
    assert of_kind(documents, "ConfigMap")["shop-orders"]["data"]["ORDERS_LIMIT"] == told


def test_no_number_is_written_with_an_exponent(tmp_path: Path) -> None:
    values = {
        "orders": {"deadlineSeconds": MANY, "leaveSeconds": MANY, "quarantineMemoryMiB": MANY},
        "postgres": {"parameters": {"min_dynamic_shared_memory": MANY}},
        "jaeger": {"maxTraces": MANY},
        "sandbox": {"customers": {"rate": 1, "concurrency": MANY}},
    }
    text = json.dumps(rendered(tmp_path, values))
    assert "5e+06" not in text
    assert text.count("5000000") == 6


@pytest.mark.parametrize(
    ("tag", "image", "label"),
    [
        ("1.2.3", "tallystick/orders:1.2.3", "1.2.3"),
        (f"1.2.3@{DIGEST}", f"tallystick/orders:1.2.3@{DIGEST}", "1.2.3"),
        ("a" * 62 + "._b", f"tallystick/orders:{'a' * 62}._b", "a" * 62),
        ("_built", "tallystick/orders:_built", "built"),
    ],
)
def test_any_tag_gives_an_image_and_a_label(
    tmp_path: Path, tag: str, image: str, label: str
) -> None:
    documents = rendered(tmp_path, {"global": {"image": {"tag": tag}}})
    deployment = of_kind(documents, "Deployment")["shop-orders"]
    template = deployment["spec"]["template"]
    assert {one["image"] for one in template["spec"]["containers"]} == {image}
    assert deployment["metadata"]["labels"][LABEL] == label
    assert template["metadata"]["labels"][LABEL] == label


def test_each_image_of_ours_may_be_said_by_its_digest(tmp_path: Path) -> None:
    said = {"repository": "built", "tag": "7", "digest": DIGEST}
    ours = ("orders", "payments", "shipping", "sandbox", "operator")
    values: dict[str, Any] = {name: {"image": said} for name in ours}
    values["sandbox"]["customers"] = {"rate": 1}
    values["global"] = {"image": {"registry": "registry.example.com"}}
    pods = pod_specs(rendered(tmp_path, values))
    images = {
        name: container["image"]
        for name, pod in pods.items()
        for container in [*pod.get("initContainers", ()), *pod["containers"]]
        if name.rpartition("-")[2] in {*ours, "customers", "secrets", "test"}
    }
    assert len(images) == 8
    assert set(images.values()) == {f"registry.example.com/built:7@{DIGEST}"}
