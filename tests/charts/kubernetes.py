"""Kubernetes' own schemas, which kubernetes-validate carries for every release."""

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema_rs

from tests.charts.rendering import Document


def _folder(kubernetes: str) -> Path:
    spec = find_spec("kubernetes_validate")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the schemas are missing: run `make check-charts`, which gets them")
    place = Path(spec.submodule_search_locations[0]) / "kubernetes-json-schema"
    return place / f"v{kubernetes}.0-local-strict"


@cache
def _definitions(kubernetes: str) -> Any:
    return json.loads((_folder(kubernetes) / "_definitions.json").read_text())


@cache
def _validator(kubernetes: str, api_version: str, kind: str) -> Any:
    group, _, version = api_version.rpartition("/")
    name = "-".join(filter(None, (kind.lower(), group.partition(".")[0], version)))
    schema = json.loads((_folder(kubernetes) / f"{name}.json").read_text())
    return jsonschema_rs.Draft7Validator(
        schema, base_uri="k8s:///x.json", retriever=lambda _: _definitions(kubernetes)
    )


def violations(document: Document, kubernetes: str) -> list[str]:
    """Return how a document breaks the schema of its kind, no unknown field allowed."""
    validator = _validator(kubernetes, document["apiVersion"], document["kind"])
    title = f"{document['kind']} {document['metadata']['name']}"
    return [
        f"{title}: {'.'.join(map(str, error.instance_path))}: {error.message}"
        for error in validator.iter_errors(document)
    ]
