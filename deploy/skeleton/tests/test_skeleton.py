"""The skeleton in a copy of this checkout: it works as it is made."""

import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tallystick.testing import holds
from tallystick_skeleton.naming import Refused, check
from tallystick_skeleton.placing import changed
from tallystick_skeleton.rendering import TEMPLATES, rendered
from tallystick_skeleton.staging import Failed, environment, stage

ROOT = Path(__file__).parents[3]
NAME = "zebra"  # sorts behind the library, where imports are put in order
SHARED = {
    "deploy/local/pyproject.toml",
    "deploy/services.toml",
    "deploy/values-production.yaml",
    "helm/tallystick/Chart.yaml",
    "helm/tallystick/README.md",
    "helm/tallystick/dashboards/messaging.json",
    "helm/tallystick/values.schema.json",
    "helm/tallystick/values.yaml",
    "pyproject.toml",
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("skeleton") / "copy"
    stage(ROOT, NAME, copy)
    return copy


def run(copy: Path, *command: str) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name(command[0])), *command[1:]],
        cwd=copy,
        env=environment(copy),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_changes_the_shared_files_that_it_says_and_no_other(copy: Path) -> None:
    files = changed(copy, ROOT)
    assert {str(file) for file in files if (ROOT / file).exists()} == SHARED
    assert {str(file) for file in files if not (ROOT / file).exists()} == {
        *rendered(NAME),
        f"helm/tallystick/topology/{NAME}.json",
        f"libs/contracts/tests/schemas/evt.{NAME}.entry-closed.v1.json",
    }


def test_its_code_is_formatted_and_keeps_the_lint_rules(copy: Path) -> None:
    files = [path for path in rendered(NAME) if path.endswith(".py")]
    run(copy, "ruff", "format", "--no-cache", "--check", *files)
    run(copy, "ruff", "check", "--no-cache", *files)


def test_its_own_tests_pass_and_everything_names_it(copy: Path) -> None:
    own = f"--basetemp={copy.parent / 'tests'}"
    tests = [
        f"services/{NAME}",
        *(f"tests/workspace/test_{of}.py" for of in ("services", "workspace")),
    ]
    run(copy, "pytest", "-q", "-p", "no:cacheprovider", own, *tests)


def test_the_layers_hold(copy: Path) -> None:
    run(copy, "lint-imports", "--no-cache")


def test_it_needs_nothing_that_the_other_services_do_not_need() -> None:
    theirs = (ROOT / "services/orders/pyproject.toml").read_text()
    needed = tomllib.loads(rendered(NAME)[f"services/{NAME}/pyproject.toml"])["project"]
    assert set(needed["dependencies"]) <= set(tomllib.loads(theirs)["project"]["dependencies"])


def test_no_placeholder_is_left() -> None:
    assert [path for path, text in rendered(NAME).items() if "{{" in path + text] == []
    assert len(rendered(NAME)) == len([file for file in TEMPLATES.rglob("*") if file.is_file()])


def test_a_second_run_is_refused(copy: Path) -> None:
    with pytest.raises(Refused, match="a service that there is already"):
        check(NAME, copy)


def test_who_interrupts_it_finds_everything_as_it_was(copy: Path, tmp_path: Path) -> None:
    before = {file: file.read_bytes() for file in copy.rglob("*") if file.is_file()}
    process = subprocess.Popen(
        [sys.executable, "-m", "tallystick_skeleton", "lynx"],
        cwd=copy,
        env=environment(copy) | {"TMPDIR": str(tmp_path)},
        start_new_session=True,
    )
    assert holds(lambda: any(tmp_path.glob("*/copy/services/lynx/tests")), 60)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    assert {file: file.read_bytes() for file in copy.rglob("*") if file.is_file()} == before
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_fails_is_told_with_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "ruff").write_text("#!/bin/sh\necho it rains >&2\nexit 1\n")
    (broken / "ruff").chmod(0o755)
    monkeypatch.setattr("tallystick_skeleton.staging._BIN", broken)
    with pytest.raises(Failed, match="nothing was changed:\nit rains"):
        stage(ROOT, NAME, tmp_path / "copy")


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder that is not pytest's, which each session closes to the user of PostgreSQL."""
    with TemporaryDirectory(prefix="tallystick-skeleton-") as folder:
        yield Path(folder)


@pytest.mark.wheels
@pytest.mark.timeout(1200)
def test_one_command_makes_a_service_that_passes_every_check(elsewhere: Path) -> None:
    copy = _checkout(elsewhere / "checkout")
    locks = {lock: lock.read_bytes() for lock in copy.glob("requirements*")}
    _make(copy, "service", "NAME=quokka")
    _make(copy, "check")
    tests = ["services/quokka", "libs/contracts", "deploy", "tests/workspace", "tests/charts"]
    pytest = [str(copy / ".venv/bin/pytest"), "-q", f"--basetemp={elsewhere / 'tests'}"]
    _ok(copy, *pytest, *tests)
    _make(copy, "demo", "ORDERS=20")
    _make(copy, "lock")
    assert {lock: lock.read_bytes() for lock in locks} == locks


def _checkout(copy: Path) -> Path:
    """Everything that git keeps or would keep of this checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source, file = ROOT / name, copy / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            file.symlink_to(source.readlink())
        elif source.exists():
            file.write_bytes(source.read_bytes())
            file.chmod(source.stat().st_mode)
    return copy


def _make(copy: Path, *words: str) -> None:
    _ok(copy, "make", *words)


def _ok(copy: Path, *command: str) -> None:
    ours = ("MAKE", "MFLAGS", "PYTHON", "VIRTUAL")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(command, cwd=copy, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
