"""`deploy/services.toml` is the one list of services: who names some of them names all."""

import tomllib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tallystick_local.ports import DEFAULTS
from tallystick_local.services import LISTED, MESSAGING, SERVICES

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "tallystick"
NO_SERVICE_OF_THE_LIST = {"operator"}  # it keeps the broker of a cluster, and is in its chart


def toml(file: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / file).read_text())


def yaml_of(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


def contract(name: str) -> dict[str, Any]:
    contracts = toml("pyproject.toml")["tool"]["importlinter"]["contracts"]
    found: dict[str, Any] = next(each for each in contracts if each["id"] == name)
    return found


def layers() -> list[str]:
    return [name for layer in contract("layers")["layers"] for name in layer.split(" | ")]


def dependencies_of_the_chart() -> list[tuple[str, str]]:
    found = yaml_of(CHART / "Chart.yaml")["dependencies"]
    return [(each["alias"], each["condition"]) for each in found]


def trusting_in_production() -> list[str]:
    values = yaml_of(ROOT / "deploy" / "values-production.yaml")
    known = {"caSecret", "enabled"}
    return [name for name, its in values.items() if isinstance(its, dict) and known & set(its)]


@dataclass(frozen=True)
class Place:
    """Where every service of `of` must be entered, and the entry to write there."""

    where: str
    entry: Callable[[str], object]
    found: Callable[[], Collection[object]]
    of: tuple[str, ...] = SERVICES


PLACES = [
    Place(
        "pyproject.toml, [tool.uv.workspace] members",
        "services/{}".format,
        lambda: toml("pyproject.toml")["tool"]["uv"]["workspace"]["members"],
    ),
    Place(
        "pyproject.toml, [tool.mypy] mypy_path",
        "services/{}/src".format,
        lambda: toml("pyproject.toml")["tool"]["mypy"]["mypy_path"],
    ),
    Place(
        "pyproject.toml, [tool.importlinter] root_packages",
        str,
        lambda: toml("pyproject.toml")["tool"]["importlinter"]["root_packages"],
    ),
    Place("pyproject.toml, the services' layer of the contract `layers`", str, layers),
    Place(
        "pyproject.toml, source_modules of the contract `messaging`",
        str,
        lambda: contract("messaging")["source_modules"],
    ),
    Place(
        "pyproject.toml, source_modules of the contract `sql`",
        str,
        lambda: contract("sql")["source_modules"],
    ),
    Place(
        "deploy/local/pyproject.toml, dependencies",
        "tallystick-{}".format,
        lambda: toml("deploy/local/pyproject.toml")["project"]["dependencies"],
    ),
    Place(
        "deploy/local/pyproject.toml, [tool.uv.sources]",
        "tallystick-{}".format,
        lambda: toml("deploy/local/pyproject.toml")["tool"]["uv"]["sources"],
    ),
    Place(
        "helm/tallystick/Chart.yaml, dependencies (alias, condition)",
        lambda name: (name, f"{name}.enabled"),
        dependencies_of_the_chart,
    ),
    Place("helm/tallystick/values.yaml", str, lambda: yaml_of(CHART / "values.yaml")),
    Place(
        "deploy/values-production.yaml (caSecret, or enabled: false)", str, trusting_in_production
    ),
    Place(
        "helm/tallystick/topology (make topology)",
        "{}.json".format,
        lambda: [file.name for file in (CHART / "topology").iterdir()],
        of=MESSAGING,
    ),
    Place(
        "libs/contracts/src/tallystick_contracts",
        "{}.py".format,
        lambda: [f.name for f in (ROOT / "libs/contracts/src/tallystick_contracts").iterdir()],
        of=MESSAGING,
    ),
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.where)
def test_a_service_of_the_list_is_entered_wherever_services_are_named(place: Place) -> None:
    found = place.found()
    lacking = [entry for entry in map(place.entry, place.of) if entry not in found]
    assert not lacking, f"{place.where}: add {', '.join(map(str, lacking))}"


def test_every_folder_of_services_is_in_the_list() -> None:
    folders = {file.parent.name for file in ROOT.glob("services/*/pyproject.toml")}
    unlisted = folders - NO_SERVICE_OF_THE_LIST - set(SERVICES)
    assert not unlisted, f"deploy/services.toml: add {', '.join(sorted(unlisted))}"


def test_the_chart_installs_no_service_that_is_not_in_the_list() -> None:
    assert sorted(alias for alias, _ in dependencies_of_the_chart()) == sorted(SERVICES)


def test_each_service_has_a_port_of_its_own_and_another_for_its_admin() -> None:
    assert len(set(DEFAULTS.values())) == len(DEFAULTS) >= 2 * len(LISTED)
