"""docs/start.md does what it says: its files and its commands, in an empty folder, on the wheel."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.testing import holds
from tests.example.test_example import ROOT, developed, environment, run

PAGE = (ROOT / "docs" / "start.md").read_text()
FILES = re.findall(r"\{literalinclude\} \.\./(\S+)\n:caption: (\S+)\n", PAGE)
BUILD, INSTALL, TEST, SERVE, ASK = re.findall(r"(?ms)^```sh\n(.*?)^```", PAGE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder in which a newcomer has written the page's three files."""
    for source, path in FILES:
        file = tmp_path / "own" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / source, file)
    return tmp_path / "own"


def test_the_page_shows_every_file_of_the_example_under_its_path() -> None:
    example = ROOT / "examples" / "cafe"
    paths = sorted(str(file.relative_to(example)) for file in example.rglob("*.py"))
    assert sorted(path for _, path in FILES) == paths
    assert all(source == f"examples/cafe/{path}" for source, path in FILES)


@pytest.mark.wheels
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_every_command_of_the_page_does_what_it_says(folder: Path, tmp_path: Path) -> None:
    setup, build, find_links = BUILD.splitlines()
    assert (setup, find_links) == ("make setup", "export PIP_FIND_LINKS=$PWD/dist")
    uv, *build_arguments = shlex.split(build)
    assert uv == ".venv/bin/uv"
    wheels = tmp_path / "dist"
    run(
        Path(sys.executable).with_name("uv"),
        *build_arguments,
        "--quiet",
        "--out-dir",
        wheels,
        cwd=ROOT,
    )
    typed(INSTALL, folder, PIP_FIND_LINKS=f"{wheels} {os.environ.get('PIP_FIND_LINKS', '')}")
    assert " 1 passed" in typed(f". .venv/bin/activate\n{TEST}", folder)
    program, *arguments = shlex.split(SERVE)
    assert (program, *arguments) == ("tally", "dev", "cafe")
    with developed(folder / ".venv" / "bin" / program, folder) as url:
        asked = ASK.replace("http://127.0.0.1:8000", url)
        assert holds(lambda: '"served":"20' in typed(asked, folder), within=20)


def typed(lines: str, folder: Path, **more: str) -> str:
    """What a shell says to these lines; each must succeed."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", lines],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
