"""Which names a new service can have."""

import keyword
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Final

_FORM: Final = re.compile(r"[a-z][a-z0-9]{0,29}")
_VALUE: Final = re.compile(r"^([a-z]\w*):", re.MULTILINE)
_ELSEWHERE: Final = {"admin", "none", "public", "route", "tally", "webhook"}
"""Users, roles and passwords of the broker, of PostgreSQL and of the local platform."""


class Refused(Exception):
    """A service cannot have this name; the message is one sentence for a person."""


def check(name: str, root: Path) -> None:
    """Raise Refused unless a new service of the checkout at `root` can have this name.

    The name becomes that of a package, a database and its role, a stream, a user at the broker and
    a key of the chart's values.
    """
    if not name:
        raise Refused("say how it is called: make service NAME=loyalty.")
    if not _FORM.fullmatch(name):
        raise Refused(f"{name!r} is no name: use 1 to 30 of a-z and 0-9, beginning with a letter.")
    if owner := _owner(name, root):
        raise Refused(f"{name} is {owner}: choose another name.")


def _owner(name: str, root: Path) -> str | None:
    """Return what has this name already."""
    if keyword.iskeyword(name):
        return "a keyword of Python"
    if name in _listed(root) or (root / "services" / name).exists():
        return "a service that there is already"
    if (root / "libs/contracts/src/tallystick_contracts" / f"{name}.py").exists():
        return "a module of the contracts"
    if name in _ELSEWHERE or name in _values(root):
        return "another part of the platform"
    if name in sys.stdlib_module_names or find_spec(name) is not None:
        return "the name of a module that Python finds here"
    return f"taken by the package tallystick-{name}" if _is_installed(name) else None


def _listed(root: Path) -> set[str]:
    return set(tomllib.loads((root / "deploy" / "services.toml").read_text()))


def _values(root: Path) -> set[str]:
    return set(_VALUE.findall((root / "helm/tallystick/values.yaml").read_text()))


def _is_installed(name: str) -> bool:
    try:
        distribution(f"tallystick-{name}")
    except PackageNotFoundError:
        return False
    return True
