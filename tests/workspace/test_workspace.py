"""What the files at the root promise and no other tool checks."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tallystick_local.services import MESSAGING

ROOT = Path(__file__).parents[2]
LOCKS = sorted(path.name for path in ROOT.glob("requirements*"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def members() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return list(project["tool"]["uv"]["workspace"]["members"])


def made(variable: str) -> list[str]:
    """The words of a variable, as make reads its file."""
    rule = f"--eval=words: ; @echo $({variable})"
    command = ["make", "--no-print-directory", "-C", str(ROOT), rule, "words"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_setup_installs_every_member_of_the_workspace() -> None:
    assert made("MEMBERS") == members()


def test_the_charts_read_the_declarations_of_every_service_that_has_messages() -> None:
    assert made("DECLARING") == list(MESSAGING)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_versions_with_hashes_and_names_no_address(lock: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())
    assert all(re.match(r"[a-z0-9-]+==\S+", entry) and "--hash=" in entry for entry in entries)
    assert not [entry for entry in entries if "://" in entry or " @ " in entry]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_pins_its_actions_by_commit_and_tells_their_version(workflow: Path) -> None:
    actions = re.findall(r"uses: *(.*)", workflow.read_text())
    assert actions
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*", action) for action in actions)


def test_the_wheel_of_the_library_carries_the_license() -> None:
    carried = (ROOT / "libs" / "tallystick" / "LICENSE").read_bytes()
    assert carried == (ROOT / "LICENSE").read_bytes()


@pytest.mark.parametrize("member", members())
def test_a_member_is_typed(member: str) -> None:
    assert list((ROOT / member / "src").glob("*/py.typed"))


@pytest.mark.parametrize("service", MESSAGING)
def test_knowing_one_service_is_knowing_all(service: str) -> None:
    source = ROOT / "services" / service / "src" / service
    names = ["api.py", "domain.py", "handlers.py", "main.py", "settings.py", "store.py"]
    assert [name for name in names if not (source / name).is_file()] == []
    assert list((source / "migrations" / "versions").glob("0001_*.py"))
