"""What `helm template` makes of a chart."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[2]
HELM = REPOSITORY / "helm"

Document = dict[str, Any]


class Refused(AssertionError):
    """Helm renders nothing; the message is its own."""


def helm(*args: str) -> str:
    """Return what helm prints; raises Refused."""
    program = shutil.which("helm")
    if program is None:
        raise RuntimeError("these tests need helm on the PATH (helm.sh)")
    done = subprocess.run([program, *args], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(done.stderr + done.stdout)
    return done.stdout


def render(
    chart: str, *flags: str, release: str = "shop", kubernetes: str = "1.35"
) -> list[Document]:
    """Return every document of a chart, hooks and tests among them; raises Refused."""
    command = [
        "template",
        release,
        str(HELM / chart),
        "--namespace",
        "test",
        "--kube-version",
        kubernetes,
    ]
    return [document for document in yaml.safe_load_all(helm(*command, *flags)) if document]


def of_kind(documents: list[Document], kind: str) -> dict[str, Document]:
    """Return the documents of a kind by their names."""
    return {each["metadata"]["name"]: each for each in documents if each["kind"] == kind}


def pod_specs(documents: list[Document]) -> dict[str, Document]:
    """Return the pods that are made, by what makes them."""
    found = {}
    for each in documents:
        name = f"{each['kind']}/{each['metadata']['name']}"
        if each["kind"] in ("Deployment", "StatefulSet", "Job", "DaemonSet"):
            found[name] = each["spec"]["template"]["spec"]
        elif each["kind"] == "Pod":
            found[name] = each["spec"]
    return found
