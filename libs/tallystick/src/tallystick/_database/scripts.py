"""Where the migrations are and how far a database has got: the library's own and the service's."""

import re
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path

LIBRARY = "tallystick"
_REVISION = re.compile(r"^(down_)?revision(?:\s*:[^=]*)?\s*=\s*[\"'](\w+)[\"']", re.MULTILINE)


@dataclass(frozen=True)
class Scripts:
    """A folder of Alembic scripts and the schema whose `alembic_version` says how far they got."""

    owner: str
    folder: Path
    schema: str

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
        found = [
            (bool(down), revision)
            for script in self.folder.glob("*.py")
            for down, revision in _REVISION.findall(script.read_text())
        ]
        followed = frozenset(revision for down, revision in found if down)
        return frozenset(revision for down, revision in found if not down), followed


@cache
def scripts_of(package: str) -> tuple[Scripts, ...]:
    """Return the library's scripts and, if it has any, the service's."""
    library = Scripts(LIBRARY, Path(__file__).parents[1] / "migrations" / "versions", LIBRARY)
    spec = find_spec(package) if package != LIBRARY else None
    places = (spec.submodule_search_locations if spec else None) or []
    folders = (Path(place) / "migrations" / "versions" for place in places)
    own = (Scripts(package, folder, "public") for folder in folders if folder.is_dir())
    return (library, *own)


def is_reached(stored: frozenset[str], scripts: Scripts) -> bool:
    """Return whether a database at these revisions has all that the scripts do."""
    is_ahead = bool(stored - scripts.revisions)
    return is_ahead or stored == scripts.heads
