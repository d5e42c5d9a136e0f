"""Every pod of the charts takes every knob, and keeps what is its own."""

import json

import pytest
import yaml

from tests.charts.knobs import FLAGS, KNOBS, SECTIONS, VOLUME
from tests.charts.rendering import HELM, Document, of_kind, pod_specs, render

pytestmark = pytest.mark.helm

DEFINITIONS = yaml.safe_load((HELM / "schema-definitions.yaml").read_text())
PLACES = ("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints")


@pytest.fixture(scope="module")
def plain() -> dict[str, Document]:
    return templates(render("tallystick", "--set=sandbox.customers.rate=1"))


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    return render("tallystick", *FLAGS)


def templates(documents: list[Document]) -> dict[str, Document]:
    """The template of each workload's pods, or the pod itself."""
    return {
        each["metadata"]["name"]: each["spec"].get("template", each)
        for each in documents
        if pod_specs([each])
    }


def test_every_knob_of_the_schema_is_set_here() -> None:
    assert set(KNOBS) == set(DEFINITIONS["pod"]["properties"])


def test_every_workload_is_there(documents: list[Document]) -> None:
    programs = {section.rpartition(".")[2] for section in SECTIONS}
    assert set(templates(documents)) == {f"shop-{program}" for program in programs}


def test_every_knob_arrives_in_every_pod(documents: list[Document]) -> None:
    for name, template in templates(documents).items():
        metadata, spec = template["metadata"], template["spec"]
        assert metadata["labels"]["team"] == "orders", name
        assert metadata["annotations"]["note"] == "kept", name
        assert {field: spec[field] for field in PLACES} == {f: KNOBS[f] for f in PLACES}, name
        assert spec["priorityClassName"] == "high", name
        assert spec["imagePullSecrets"] == [{"name": "shared"}, {"name": "own"}], name
        assert VOLUME in spec["volumes"], name
        for container in [*spec.get("initContainers", ()), *spec["containers"]]:
            assert KNOBS["extraEnv"][0] in container["env"], name
            assert KNOBS["extraVolumeMounts"][0] in container["volumeMounts"], name


def test_every_pod_has_an_account_of_its_own_with_the_annotations(
    documents: list[Document],
) -> None:
    accounts = of_kind(documents, "ServiceAccount")
    for name, template in templates(documents).items():
        assert template["spec"]["serviceAccountName"] == name
        assert accounts[name]["metadata"]["annotations"]["role"] == "arn:aws:iam::1:role/shop"
        assert accounts[name]["automountServiceAccountToken"] is False


def test_a_pod_keeps_what_is_its_own(plain: dict[str, Document], documents: list[Document]) -> None:
    for name, template in templates(documents).items():
        for field in ("labels", "annotations"):
            own = plain[name]["metadata"].get(field, {})
            assert own.items() <= template["metadata"][field].items(), name
        for field in ("containers", "volumes"):
            names = [one["name"] for one in plain[name]["spec"].get(field, ())]
            assert names == [one["name"] for one in template["spec"][field]][: len(names)], name


def test_a_label_by_which_pods_are_found_cannot_be_changed() -> None:
    label = r"app\.kubernetes\.io/name"
    changed = render("tallystick", f"--set=nats.pod.podLabels.{label}=other")
    labels = templates(changed)["shop-nats"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/name"] == "nats"


def test_a_variable_takes_the_place_of_one_of_the_same_name() -> None:
    extra = json.dumps([{"name": "GOMEMLIMIT", "value": "1GiB"}])
    pod = pod_specs(render("tallystick", f"--set-json=nats.pod.extraEnv={extra}"))
    for container in pod["StatefulSet/shop-nats"]["containers"]:
        found = [one["value"] for one in container["env"] if one["name"] == "GOMEMLIMIT"]
        assert found == ["1GiB"]
