"""The dashboards as they are committed, and as a person sees them."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tallystick_dashboards.files import files
from tallystick_dashboards.services import MESSAGING

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "helm" / "tallystick" / "dashboards"
RUNBOOKS = ROOT / "deploy" / "runbooks"
MADE = files(RUNBOOKS)
DRAWN = sorted(set(MADE) - {"runbooks.json"})
COLUMNS = 24


def panels(name: str) -> list[dict[str, Any]]:
    return [panel for panel in json.loads(MADE[name])["panels"] if panel["type"] != "row"]


def test_the_committed_files_are_what_the_code_makes() -> None:
    committed = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert committed == MADE, "make dashboards"


@pytest.mark.parametrize("name", DRAWN)
def test_every_panel_has_a_title_an_explanation_a_unit_and_a_query(name: str) -> None:
    for panel in panels(name):
        assert panel["title"]
        assert panel["description"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert all(target["expr"] and target["legendFormat"] for target in panel["targets"])


@pytest.mark.parametrize("name", DRAWN)
def test_at_most_two_series_or_six_figures_stand_side_by_side(name: str) -> None:
    for panel in panels(name):
        assert panel["gridPos"]["w"] >= COLUMNS // (6 if panel["type"] == "stat" else 2)


@pytest.mark.parametrize("name", DRAWN)
def test_no_two_panels_lie_on_one_another(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(MADE[name])["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken
        assert max(x for x, _ in cells) < COLUMNS
        taken |= cells


def test_a_link_to_a_runbook_leads_to_the_panel_of_its_alert() -> None:
    shown = {panel["id"]: panel["title"] for panel in panels("runbooks.json")}
    links = [link for name in DRAWN for panel in panels(name) for link in panel["links"]]
    for link in links:
        if link["title"].startswith("Runbook: "):
            place = int(link["url"].rpartition("=")[2])
            assert shown[place] == link["title"].removeprefix("Runbook: ")


def test_every_runbook_is_one_click_from_a_panel() -> None:
    links = {link["title"] for name in DRAWN for panel in panels(name) for link in panel["links"]}
    assert {f"Runbook: {path.stem}" for path in RUNBOOKS.glob("*.md")} <= links


def test_a_link_to_traces_is_a_search_of_a_service_in_the_time_shown() -> None:
    links = [link for name in DRAWN for panel in panels(name) for link in panel["links"]]
    found = [link["url"] for link in links if link["url"].startswith("/explore")]
    assert found
    for url in found:
        pane = json.loads(unquote(url.partition("panes=")[2]))["traces"]
        assert pane["range"] == {"from": "${__from}", "to": "${__to}"}
        assert pane["queries"][0]["service"] in MESSAGING
        assert "${traces}" in url


def test_slow_messages_of_each_service_are_one_click_from_a_panel() -> None:
    titles = {link["title"] for panel in panels("messaging.json") for link in panel["links"]}
    assert {f"Slow in {service}" for service in MESSAGING} <= titles
