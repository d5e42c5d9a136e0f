"""What an upgrade of the charts replaces."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.charts.rendering import HELM, Document, render

pytestmark = pytest.mark.helm


def pods(charts: Path) -> dict[str, Document]:
    """Each workload's template of pods, by its kind and name; the platform's images stay."""
    documents = render(
        str(charts / "tallystick"), "--set=global.image.tag=main", "--set=nats.replicas=3"
    )
    workloads = [each for each in documents if "template" in each.get("spec", {})]
    return {
        f"{each['kind']} {each['metadata']['name']}": each["spec"]["template"] for each in workloads
    }


def test_a_new_version_of_the_charts_alone_replaces_no_pod(tmp_path: Path) -> None:
    """Neither the broker nor the database ends for it, under customers who order."""
    newer = tmp_path / "helm"
    shutil.copytree(HELM, newer, symlinks=True)
    for chart in ("tallystick", "service"):
        file = newer / chart / "Chart.yaml"
        text = file.read_text()
        version = yaml.safe_load(text)["version"]
        file.write_text(text.replace(version, f"{version}-next"))
    before = pods(HELM)
    assert "StatefulSet shop-postgres" in before
    assert pods(newer) == before
