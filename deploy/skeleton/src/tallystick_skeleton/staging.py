"""A copy of the checkout in which the new service is made, so that nothing here is half made."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

from tallystick_skeleton.entries import enter
from tallystick_skeleton.rendering import render

_LEFT_OUT: Final = shutil.ignore_patterns(
    *(".git", ".venv", ".state", "build", "dist", ".*cache*", ".hypothesis", "__pycache__")
)
DERIVED: Final = ("schemas", "topology", "charts", "dashboards")
"""The targets of the Makefile that write what follows from code and lists."""
_MAKES: Final = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")
"""What a make that called us would tell one that we call."""


class Failed(Exception):
    """A step in the copy failed; the message is what it said."""


def stage(root: Path, name: str, copy: Path) -> None:
    """Copy the checkout at `root` to `copy` and add a service there; raises Failed or Refused."""
    shutil.copytree(root, copy, symlinks=True, ignore=_LEFT_OUT)
    enter(copy, name)
    files = [str(file) for file in render(copy, name) if file.suffix == ".py"]
    _run(copy, "ruff", "check", "--no-cache", "--quiet", "--fix-only", *files)
    _run(copy, "ruff", "format", "--no-cache", "--quiet", *files)
    ready = Path(sys.prefix) / ".ready"  # what is installed here serves the copy, too
    _run(copy, "make", "-s", f"--old-file={ready}", f"READY={ready}", f"BIN={_BIN}", *DERIVED)


def environment(copy: Path) -> dict[str, str]:
    """Return the environment in which Python imports the members of the copy."""
    project = tomllib.loads((copy / "pyproject.toml").read_text())
    members = project["tool"]["uv"]["workspace"]["members"]
    return {
        **{name: value for name, value in os.environ.items() if name not in _MAKES},
        "PYTHONPATH": os.pathsep.join(str(copy / member / "src") for member in members),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": os.pathsep.join((str(_BIN), os.environ["PATH"])),
    }


def _run(copy: Path, *command: str) -> None:
    done = subprocess.run(
        command,
        cwd=copy,
        env=environment(copy),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Failed(f"`{' '.join(command[:2])}` failed, so nothing was changed:\n{done.stdout}")


_BIN: Final = Path(sys.prefix) / "bin"
