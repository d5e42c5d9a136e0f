"""Compare the installed packages with the requirements in the library's own metadata.

A package whose private parts are used has an upper bound, and a package that only some programs
need belongs to an extra. `pyproject.toml` declares both, and the wheel's metadata repeats them.
"""

import re
from collections.abc import Iterator
from importlib import metadata

from tallystick.errors import MissingExtra, UnsupportedVersion

_NAME = re.compile(r"[\w.-]+")
_EXTRA = re.compile(r"extra == ['\"](\w+)['\"]")
_BOUND = re.compile(r"(>=|<)([\d.]+)")
_RELEASE = re.compile(r"\d+(?:\.\d+)*")


def require(what: str, extra: str, package: str | None = None) -> None:
    """Raise `MissingExtra`, which names the package that `what` needs, unless it is installed.

    Checks every package of `extra`, or only `package` if that is given.
    """
    for name in [package] if package else _brought_by(extra):
        if not _is_installed(name):
            raise MissingExtra(f"{what} needs {name}: pip install 'tallystick[{extra}]'")


def check_version(package: str) -> None:
    """Raise `UnsupportedVersion` unless a supported version of `package` is installed."""
    installed = metadata.version(package)
    bounds = next(_BOUND.findall(line) for name, line in _requirements() if name == package)
    if not all(_keeps(installed, *bound) for bound in bounds):
        supported = ",".join(sorted((sign + version for sign, version in bounds), reverse=True))
        raise UnsupportedVersion(
            f"{package} {installed} is installed, but this release of Tallystick works with "
            f"{package}{supported}: pip install '{package}{supported}', or another tallystick"
        )


def _brought_by(extra: str) -> list[str]:
    marked = ((name, _EXTRA.search(line)) for name, line in _requirements())
    return [name for name, found in marked if found and found[1] == extra]


def _requirements() -> Iterator[tuple[str, str]]:
    """Yield the name and the requirement line of each package that the library requires."""
    for line in metadata.requires("tallystick") or ():
        if named := _NAME.match(line):
            yield named[0], line


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _keeps(installed: str, sign: str, bound: str) -> bool:
    at_least = _numbers(installed) >= _numbers(bound)
    return at_least if sign == ">=" else not at_least


def _numbers(version: str) -> tuple[int, ...]:
    release = _RELEASE.match(version)
    return tuple(map(int, release[0].split("."))) if release else ()
