"""Find the migration scripts of the library and the service, and the revisions they define."""

import re
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path

from tallystick.errors import MigrationFailed

LIBRARY = "tallystick"
SCHEMA = "tallystick"
_ASSIGNED = re.compile(
    r"^((?:down_)?revision)\b(?:\s*:[^=\n]*)?\s*=\s*([^=].*(?:\n[ \t)\]].*)*)", re.MULTILINE
)
_LITERAL = re.compile(r"""None\b|"[^"\n]*"|'[^'\n]*'|\([^()]*\)|\[[^\[\]]*\]""")
_TEXT = re.compile(r"""(["'])(\w+)\1""")


@dataclass(frozen=True)
class Scripts:
    """A folder of Alembic scripts, and the table that stores their applied revisions.

    Each owner has its own table: Alembic's default `public.alembic_version` may contain the
    revisions of other scripts on the same database.
    """

    owner: str
    folder: Path

    @property
    def table(self) -> str:
        """The name of the version table in the schema `tallystick`."""
        return "alembic_version" if self.owner == LIBRARY else f"alembic_version_{self.owner}"

    @property
    def heads(self) -> frozenset[str]:
        """The revisions that no other revision follows."""
        revisions, followed = self._read
        return revisions - followed

    @property
    def revisions(self) -> frozenset[str]:
        """All revisions that this release knows."""
        return self._read[0]

    @cached_property  # a release's scripts do not change, and readiness checks are frequent
    def _read(self) -> tuple[frozenset[str], frozenset[str]]:
        # Read as text: so a serving replica does not load Alembic and SQLAlchemy (30 MB).
        assigned = [_assigned(script) for script in self.folder.glob("*.py")]
        scripts = [one for one in assigned if "revision" in one]
        followed = frozenset(down for one in scripts for down in one.get("down_revision", ()))
        return frozenset(name for one in scripts for name in one["revision"]), followed


def _assigned(script: Path) -> dict[str, tuple[str, ...]]:
    """Return a script's `revision` and `down_revision`; raise MigrationFailed if not literals.

    Read as text: before Python 3.12 `ast.parse` fails in a process with threads (CPython 106905).
    """
    assigned: dict[str, tuple[str, ...]] = {}
    for name, value in _ASSIGNED.findall(script.read_text()):
        if (literal := _LITERAL.match(value)) is None:
            raise MigrationFailed(f"{script}: write revision and down_revision as literals")
        assigned[name] = tuple(text for _, text in _TEXT.findall(literal[0]))
    return assigned


@cache
def scripts_of(package: str) -> tuple[Scripts, ...]:
    """Return the library's scripts and, if the package has a folder of them, the service's."""
    library = Scripts(LIBRARY, Path(__file__).parents[1] / "migrations" / "versions")
    spec = find_spec(package) if package != LIBRARY else None
    places = (spec.submodule_search_locations if spec else None) or []
    folders = (Path(place) / "migrations" / "versions" for place in places)
    own = (Scripts(package, folder) for folder in folders if folder.is_dir())
    return (library, *own)


def is_reached(stored: frozenset[str], scripts: Scripts) -> bool:
    """Return whether a database at these revisions needs none of the scripts."""
    is_ahead = bool(stored - scripts.revisions)
    return is_ahead or stored == scripts.heads
