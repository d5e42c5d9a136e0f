"""What the chart writes for the broker, given to a real nats-server."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tallystick.testing.nats import binary
from tests.charts.rendering import HELM, REPOSITORY, of_kind, render
from tests.charts.shapes import FILES

pytestmark = pytest.mark.helm


def check(folder: Path, *flags: str) -> str:
    """Let nats-server check the configuration; return what it says."""
    documents = render("tallystick", *flags)
    text = of_kind(documents, "ConfigMap")["shop-nats"]["data"]["nats.conf"]
    for name, content in (("config/nats.conf", text), ("nats-routes/routes.conf", "routes: []")):
        (folder / name).parent.mkdir()
        (folder / name).write_text(content)
    passwords = dict.fromkeys(re.findall(r"\$(PASSWORD_\w+)", text), "p0123")
    command = [str(binary()), "-t", "--config", str(folder / "config" / "nats.conf")]
    environment = dict(os.environ) | passwords | {"POD_NAME": "shop-nats-0"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("replicas", [1, 3])
def test_the_configuration_is_valid(tmp_path: Path, replicas: int) -> None:
    assert "is valid" in check(tmp_path, f"--set=nats.replicas={replicas}")


def test_every_variable_of_the_configuration_is_in_the_pod() -> None:
    documents = render("tallystick", "--set=nats.replicas=3")
    text = of_kind(documents, "ConfigMap")["shop-nats"]["data"]["nats.conf"]
    pod = of_kind(documents, "StatefulSet")["shop-nats"]["spec"]["template"]["spec"]
    given = {variable["name"] for variable in pod["containers"][0]["env"]}
    read_by_go = {"GOMEMLIMIT"}
    assert set(re.findall(r"\$([A-Z]\w*)(?=\s)", text)) == given - read_by_go


@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_full_streams_fit_into_the_store_and_the_store_into_the_volume(
    files: list[str],
) -> None:
    """Each stream is refused by its own limit first: the operator makes room below that one."""
    documents = render("tallystick", *(f"--values={REPOSITORY}/deploy/{file}" for file in files))
    text = of_kind(documents, "ConfigMap")["shop-nats"]["data"]["nats.conf"]
    (lease,) = of_kind(documents, "StatefulSet")["shop-nats"]["spec"]["volumeClaimTemplates"]
    (store,) = re.findall(r"max_file_store: (\d+)GiB", text)
    (volume,) = re.findall(r"(\d+)Gi$", lease["spec"]["resources"]["requests"]["storage"])
    topologies = (HELM / "tallystick/topology").glob("*.json")
    declared = [json.loads(file.read_text()).get("streams", []) for file in topologies]
    full = sum(stream["maxBytes"] for streams in declared for stream in streams)
    assert full < int(store) * 2**30 < int(volume) * 2**30
