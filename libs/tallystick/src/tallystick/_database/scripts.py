"""Where the migrations are and how far a database has got: the library's own and the service's."""

import ast
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tallystick.errors import MigrationFailed

LIBRARY = "tallystick"
SCHEMA = "tallystick"


@dataclass(frozen=True)
class Scripts:
    """A folder of Alembic scripts, and the table that says how far they got.

    It is the owner's alone: in Alembic's own `public.alembic_version` may be what somebody else's
    scripts have done to the same database.
    """

    owner: str
    folder: Path

    @property
    def table(self) -> str:
        """The version table's name in the schema `tallystick`."""
        return "alembic_version" if self.owner == LIBRARY else f"alembic_version_{self.owner}"

    @property
    def heads(self) -> frozenset[str]:
        """The revisions that no other one follows."""
        revisions, followed = self._read
        return revisions - followed

    @property
    def revisions(self) -> frozenset[str]:
        """All revisions that this release knows."""
        return self._read[0]

    @cached_property  # a release's scripts do not change, and readiness is asked all the time
    def _read(self) -> tuple[frozenset[str], frozenset[str]]:
        # Read as text: a serving replica does without Alembic, SQLAlchemy and their 30 MB.
        said = [_assigned(script) for script in self.folder.glob("*.py")]
        scripts = [one for one in said if "revision" in one]
        followed = {down for one in scripts for down in _several(one.get("down_revision"))}
        return frozenset(one["revision"] for one in scripts), frozenset(followed)


def _assigned(script: Path) -> dict[str, Any]:
    """What a script says of its place; raises MigrationFailed if that takes running it."""
    said: dict[str, Any] = {}
    try:
        for node in ast.parse(script.read_text()).body:
            match node:
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=ast.expr() as value)
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                ) if name in ("revision", "down_revision"):
                    said[name] = ast.literal_eval(value)
    except (SyntaxError, ValueError) as error:
        raise MigrationFailed(f"{script}: revision and down_revision are no literals") from error
    return said


def _several(down: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    """What a script follows: nothing, one, or those that it merges."""
    return (down,) if isinstance(down, str) else tuple(down or ())


@cache
def scripts_of(package: str) -> tuple[Scripts, ...]:
    """Return the library's scripts and, if it has a folder of them, the service's."""
    library = Scripts(LIBRARY, Path(__file__).parents[1] / "migrations" / "versions")
    spec = find_spec(package) if package != LIBRARY else None
    places = (spec.submodule_search_locations if spec else None) or []
    folders = (Path(place) / "migrations" / "versions" for place in places)
    own = (Scripts(package, folder) for folder in folders if folder.is_dir())
    return (library, *own)


def is_reached(stored: frozenset[str], scripts: Scripts) -> bool:
    """Return whether a database at these revisions has all that the scripts do."""
    is_ahead = bool(stored - scripts.revisions)
    return is_ahead or stored == scripts.heads
