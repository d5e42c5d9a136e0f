"""Find the release of a service that runs, for logs, spans and attempts."""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import Distribution, distributions, version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

LIBRARY = f"tallystick-{version('tallystick')}"


@cache
def release_of(service: str) -> str:
    """Return the version of the distribution that has the service's package; else LIBRARY.

    A service need not be installed, such as one that `tally dev` runs.
    """
    package = service.replace("-", "_")
    if not package.isidentifier():
        return LIBRARY
    likely = sorted(distributions(), key=lambda one: package not in one.name.replace("-", "_"))
    return next((one.version for one in likely if _brings(one, package)), LIBRARY)


def _brings(distribution: Distribution, package: str) -> bool:
    if any(file.parts[0] == package for file in distribution.files or ()):
        return True
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if not origin.get("dir_info", {}).get("editable"):
        return False
    return _place_of(package).is_relative_to(unquote(urlsplit(origin["url"]).path))


def _place_of(package: str) -> Path:
    """Return the path from which a package is imported; an empty path if it cannot be."""
    spec = find_spec(package)
    return Path(spec.origin or "") if spec else Path()
