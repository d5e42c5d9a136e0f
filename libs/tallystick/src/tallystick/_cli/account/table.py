"""The table of the account: a row for each source and reader, and below it what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tallystick._cli.output import bad, faint, notable, plain, table
from tallystick._cli.times import second, span

Given = Mapping[str, Any]
TITLES = (
    *("SOURCE", "READER", "PUBLISHED", "RECEIVED", "DEFERRED", "DEAD", "ON ITS WAY", "UNSENT"),
    *("MISSING", "UNKNOWN", "SETTLED UNTIL"),
)
COUNTS = (
    *("published", "received", "deferred", "dead", "on_its_way", "unsent"),
    *("missing", "unknown"),
)


def lines(given: Given) -> list[str]:
    """Return the readers of all services that answered, by source and reader."""
    found = [(one, page["at"]) for page in given.values() for one in page["readers"]]
    found.sort(key=lambda pair: (pair[0]["source"], pair[0]["durable"]))
    if not found:
        return ["no durable is in the account"] if given else []
    head, *rows = table(TITLES, [_row(one, at) for one, at in found])
    pairs = zip(rows, found, strict=True)
    is_well = all(one["is_accounted_for"] for one, _ in found)
    return [
        head,
        *(line for row, (one, _) in pairs for line in (row, *faults(one))),
        *(["Nothing is missing, and nothing is unknown."] if is_well else []),
    ]


def settled(one: Given, at: str) -> str:
    """Return until when a reader is settled, and how long ago that was at a time."""
    return ago(one["settled_until"], at) if one["settled_until"] else "never"


def ago(moment: str, at: str) -> str:
    """Return a time and how long ago it was at another time."""
    then = datetime.fromisoformat(moment)
    seconds = max(round((datetime.fromisoformat(at) - then).total_seconds()), 0)
    return f"{second(then)}, {f'{seconds} s' if seconds < 60 else span(seconds)} ago"


def faults(one: Given) -> list[str]:
    """Return a line for each thing that a person has to know of a reader beside its counts."""
    see = f"tally account show {one['durable']}"
    missing, unknown, set_back = one["missing"], one["unknown"], one["set_back"]
    held = (one["deferred"] or 0) + (one["dead"] or 0)
    counts = f"{missing or 0:,} missing, {held:,} deferred or dead"
    abandoned = f"  abandoned: no replica declares it any more; {counts}"
    return [
        *([faint(abandoned)] if one["is_abandoned"] else []),
        *([notable(plain(f"  {one['waits_for']}"))] if one["waits_for"] else []),
        *([bad(f"  {missing:,} missing: {see}")] if missing else []),
        *([bad(f"  {unknown:,} unknown to {one['source']}: {see}")] if unknown else []),
        *([bad(f"  {_forgotten(set_back)}: {see}")] if set_back else []),
    ]


def _forgotten(set_back: Given) -> str:
    since = second(datetime.fromisoformat(set_back["since"]))
    return (
        f"database set back: at most {set_back['at_most']:,} forgotten by both sides since {since}"
    )


def _row(one: Given, at: str) -> tuple[object, ...]:
    return (one["source"], one["durable"], *(one[name] for name in COUNTS), settled(one, at))
