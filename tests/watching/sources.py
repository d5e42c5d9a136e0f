"""The expressions of all dashboards and rules, and where they stand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "tallystick"
RUNBOOKS = ROOT / "deploy" / "runbooks"
RULES_TESTS = ROOT / "deploy" / "rules-tests"


class Expression(NamedTuple):
    """A query of Prometheus, and what a person would call its place."""

    place: str
    text: str


def rules() -> list[dict[str, Any]]:
    """Every rule, recording and alerting."""
    files = sorted((CHART / "rules").glob("*.yaml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """Every alerting rule."""
    return [rule for rule in rules() if "alert" in rule]


def recorded() -> set[str]:
    """The metrics that rules make."""
    return {rule["record"] for rule in rules() if "record" in rule}


def of_rules() -> Iterator[Expression]:
    """The expression of each rule."""
    for rule in rules():
        yield Expression(rule.get("alert") or rule["record"], rule["expr"])


def of_panels() -> Iterator[Expression]:
    """The expression of each query of each panel, with Grafana's variables filled in."""
    for file in sorted((CHART / "dashboards").glob("*.json")):
        for panel in json.loads(file.read_text())["panels"]:
            for target in panel.get("targets", ()):
                place = f"{file.stem} / {panel['title']} / {target['legendFormat']}"
                yield Expression(place, _filled_in(target["expr"]))


def of_marks() -> Iterator[Expression]:
    """The expression of each kind of mark on a time line."""
    for file in sorted((CHART / "dashboards").glob("*.json")):
        for mark in json.loads(file.read_text()).get("annotations", {}).get("list", ()):
            yield Expression(f"{file.stem} / {mark['name']}", mark["expr"])


def _filled_in(expression: str) -> str:
    return expression.replace("$__rate_interval", "1m").replace("$durable", ".*")
