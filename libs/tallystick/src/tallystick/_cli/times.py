"""Times as people say and read them; all of them are UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tallystick._cli.errors import UsedWrongly

_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_time(text: str) -> datetime:
    """A moment: `10m` ago (s, m, h, d), or `2026-11-25T10:00Z`; raises UsedWrongly."""
    if ago := _AGO.fullmatch(text):
        return datetime.now(UTC) - timedelta(seconds=float(ago[1]) * _UNITS[ago[2]])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        shapes = "10m, 2h, 1d (ago) or 2026-11-25T10:00Z"
        raise UsedWrongly(f'"{text}" is no time; say it like {shapes}') from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_start(text: str) -> datetime | int:
    """A moment, or a stream's sequence; raises UsedWrongly."""
    return int(text) if text.isdecimal() else parse_time(text)


def time_of(key: str) -> datetime | None:
    """When a UUIDv7 was made; None for anything else."""
    try:
        uuid = UUID(key)
    except ValueError:
        return None
    return datetime.fromtimestamp((uuid.int >> 80) / 1000, UTC) if uuid.version == 7 else None


def moment(at: datetime) -> str:
    """`2026-11-25 10:00:03.120`."""
    return at.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")


def second(at: datetime) -> str:
    """`2026-11-25 10:00:03`."""
    return moment(at)[:19]


def span(seconds: float) -> str:
    """`13 ms`, `1.842 s`, `2 min 3 s`, `4 h 5 min`, `6 d 7 h`."""
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.3f} s"
    whole = round(seconds)
    for size, unit, smaller, small in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {small}"
    return f"{whole // 60} min {whole % 60} s"
