"""Times as people write and read them; all are UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tallystick._cli.errors import UsedWrongly
from tallystick._cli.output import cut

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""The range of times that the broker and the databases can compare, in any time zone."""
LAST_SEQUENCE = 2**63 - 1
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d)", re.ASCII)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_time(text: str) -> datetime:
    """Read a time: `10m` ago (s, m, h, d), or `2026-11-25T10:00Z`; raises UsedWrongly."""
    try:
        moment = _ago(text) or datetime.fromisoformat(text)
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise _out_of_range(text) from None
    except ValueError:
        shapes = "10m, 2h, 1d (ago) or 2026-11-25T10:00Z"
        raise UsedWrongly(f'"{text}" is no time; write it like {shapes}') from None
    if not EARLIEST <= at <= LATEST:
        raise _out_of_range(text)
    return at


def _ago(text: str) -> datetime | None:
    ago = _AGO.fullmatch(text)
    return datetime.now(UTC) - timedelta(seconds=float(ago[1]) * _UNITS[ago[2]]) if ago else None


def _out_of_range(text: str) -> UsedWrongly:
    years = f"from {EARLIEST.year} to {LATEST.year}"
    return UsedWrongly(f'"{cut(text, 40)}" is out of range; use a time {years}')


def parse_start(text: str) -> datetime | int:
    """Read a time, or the sequence of a stream; raises UsedWrongly."""
    if not (text.isascii() and text.isdecimal()):
        return parse_time(text)
    if len(text) > len(str(LAST_SEQUENCE)) or int(text) > LAST_SEQUENCE:
        raise UsedWrongly(f'"{cut(text, 40)}" is no sequence: the last is {LAST_SEQUENCE}')
    return int(text)


def time_of(key: str) -> datetime | None:
    """Return when a UUIDv7 was made; None for anything else, or if its time is impossible."""
    try:
        uuid = UUID(key)
    except ValueError:
        return None
    seconds = (uuid.int >> 80) / 1000
    timely = uuid.version == 7 and seconds <= LATEST.timestamp()
    return datetime.fromtimestamp(seconds, UTC) if timely else None


def moment(at: datetime) -> str:
    """Write a time as `2026-11-25 10:00:03.120`."""
    return at.astimezone(UTC).isoformat(sep=" ", timespec="milliseconds").removesuffix("+00:00")


def second(at: datetime) -> str:
    """Write a time as `2026-11-25 10:00:03`."""
    return moment(at)[:19]


def span(seconds: float) -> str:
    """Write seconds as `13 ms`, `1.842 s`, `2 min 3 s`, `4 h 5 min` or `6 d 7 h`."""
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
