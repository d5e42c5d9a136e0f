"""The kind Topology takes the committed documents, and refuses what cannot be meant."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from tallystick_local.services import MESSAGING

CHART = Path(__file__).parents[2] / "helm" / "tallystick"
KIND = yaml.safe_load((CHART / "crds" / "topology.yaml").read_text())
SCHEMA = KIND["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CHART / "topology" / f"{name}.json").read_text())
    return {key: value for key, value in found.items() if key != "permissions"}


@pytest.mark.parametrize("name", MESSAGING)
def test_a_committed_document_is_a_spec(name: str) -> None:
    jsonschema_rs.validate(SCHEMA, document(name))


@pytest.mark.parametrize("name", MESSAGING)
def test_the_kind_knows_every_key_of_a_document(name: str) -> None:
    said = document(name)
    known = SCHEMA["properties"]
    assert set(said) <= set(known)
    for kind in ("streams", "durables"):
        keys = {key for one in said[kind] for key in one}
        assert keys == set(known[kind]["items"]["properties"])


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [
        ("streams", "subjects", []),
        ("streams", "subjects", [""]),
        ("streams", "subjects", ["evt orders"]),
        ("streams", "maxBytes", 0),
        ("streams", "maxAgeSeconds", -1),
        ("streams", "retention", "interest"),
        ("streams", "replicas", 2),
        ("streams", "name", "with.dots"),
        ("durables", "filterSubjects", []),
        ("durables", "ackWaitSeconds", 0),
        ("durables", "name", "nobody"),
    ],
)
def test_what_cannot_be_meant_is_refused(kind: str, key: str, value: object) -> None:
    wrong = deepcopy(document("orders"))
    wrong[kind][0][key] = value
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(SCHEMA, wrong)


def test_columns_show_what_the_status_has() -> None:
    version = KIND["spec"]["versions"][0]
    status = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
    paths = [column["jsonPath"] for column in version["additionalPrinterColumns"]]
    told = [path.split(".")[2].partition("[")[0] for path in paths if path.startswith(".status")]
    assert set(told) <= set(status)
