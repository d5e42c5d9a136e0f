"""Dead letters as lines for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

from tallystick._cli.output import bad, cut, faint, plain, strong, table
from tallystick._cli.times import moment, second, span

Given = Mapping[str, Any]
MOST_OF_BODY = 4_000  # characters
_NOW = {
    "dead": None,
    "discarded": "discarded: it stays on record and never runs again",
    "waiting": "replayed: it waits to be tried",
    "running": "replayed: it is being tried",
    "done": "replayed, and done",
}
GROUPS = ("COUNT", "DURABLE", "REASON", "ERROR", "PLACE", "FIRST", "LAST", "VERSION", "FINGERPRINT")


def group_lines(given: Given) -> list[str]:
    """Return the groups of all services with their last error; the last one to grow is first."""
    groups = [group for answer in given.values() for group in answer["groups"]]
    groups.sort(key=lambda group: str(group["last_seen"]), reverse=True)
    if not groups:
        return ["no dead letters"] if given else []  # a silent service may have some
    head, *rows = table(GROUPS, [_group(group) for group in groups])
    about = [[faint("  " + one_line(group["error"])), *_newest(group)] for group in groups]
    return [head, *(line for row, more in zip(rows, about, strict=True) for line in (row, *more))]


def dead_letter_lines(given: Given) -> list[str]:
    """Return the dead letters of one group, the newest first."""
    dead_letters = [
        dead_letter for answer in given.values() for dead_letter in answer["dead_letters"]
    ]
    dead_letters.sort(key=lambda dead_letter: str(dead_letter["died_at"]), reverse=True)
    if not dead_letters:
        return ["no such dead letters"] if given else []
    rows = [
        (_second(x["died_at"]), x["reason"], x["attempts"], x["key"], x["subject"], reference(x))
        for x in dead_letters
    ]
    more = any(answer["next"] for answer in given.values())
    lines = table(("DIED", "REASON", "ATTEMPTS", "KEY", "SUBJECT", "LETTER"), rows)
    return [*lines, *([faint("there are more: --limit 1000")] if more else [])]


def whole_lines(dead_letter: Given) -> list[str]:
    """Return one dead letter: facts, attempts, repairs, headers and body."""
    return [
        strong(plain(reference(dead_letter))),
        bad(plain(f"{dead_letter['reason']}: {dead_letter['error_type']}: {dead_letter['error']}")),
        *_facts(dead_letter),
        "",
        *history_lines(dead_letter["history"]),
        "",
        *_repairs(dead_letter["repairs"]),
        *table(("HEADER", "VALUE"), sorted(dead_letter["headers"].items())),
        "",
        *_bodies(dead_letter),
    ]


def reference(dead_letter: Given) -> str:
    """Return the name that `tally dlq show` takes: `durable/source/id`."""
    return f"{dead_letter['durable']}/{dead_letter['source']}/{dead_letter['id']}"


def _group(group: Given) -> tuple[object, ...]:
    about = (group["count"], group["durable"], group["reason"], group["error_type"], group["place"])
    seen = (_second(group["first_seen"]), _second(group["last_seen"]))
    return (*about, *seen, " ".join(group["versions"] or ()), group["fingerprint"])


def _newest(group: Given) -> list[str]:
    """Return the newest dead letter's name and key; nothing if the service is too old."""
    if not group.get("newest"):
        return []
    about = f", about {group['key']}" if group["key"] else ""
    return [faint(f"  the newest: {plain(group['newest'] + about)}")]


def _facts(dead_letter: Given) -> list[str]:
    stream = dead_letter["stream"]
    facts = {
        "now": _NOW[dead_letter["state"]],
        "died": _second(dead_letter["died_at"]),
        "deferred": _second(dead_letter["deferred_at"]),
        "key": dead_letter["key"],
        "subject": dead_letter["subject"],
        "stream": f"{stream}, sequence {dead_letter['stream_sequence']}" if stream else None,
        "raised in": dead_letter["place"],
        "fingerprint": dead_letter["fingerprint"],
    }
    return [f"  {name:<12} {plain(str(value))}" for name, value in facts.items() if value]


def history_lines(attempts: list[dict[str, Any]]) -> list[str]:
    """Return a table of attempts, each with the time since the one before."""
    times = [datetime.fromisoformat(attempt["at"]) for attempt in attempts]
    gaps = [
        "",
        *(f"+{span((after - before).total_seconds())}" for before, after in pairwise(times)),
    ]
    rows = [
        (number, moment(at), gap, a["replica"], a["version"], a["outcome"], one_line(a["error"]))
        for number, (at, gap, a) in enumerate(zip(times, gaps, attempts, strict=True), 1)
    ]
    return table(("", "ATTEMPT ENDED", "AFTER", "REPLICA", "VERSION", "OUTCOME", "ERROR"), rows)


def _repairs(repairs: list[dict[str, Any]]) -> list[str]:
    """Return the repairs, each with the run that `tally dlq audit` takes."""
    rows = [
        (_second(r["at"]), r["actor"], r["action"], one_line(r["reason"]), r["run"])
        for r in repairs
    ]
    return [*table(("WHEN", "WHO", "DID", "WHY", "RUN"), rows), ""] if rows else []


def _bodies(dead_letter: Given) -> list[str]:
    """Return the body; if it was edited, the original as well."""
    edits = [repair for repair in dead_letter["repairs"] if repair["action"] == "edit"]
    if not edits:
        return body_lines("BODY", dead_letter)
    return [*body_lines("BODY, as edited", dead_letter), "", *body_lines("ORIGINAL BODY", edits[0])]


def body_lines(title: str, dead_letter: Given) -> list[str]:
    """Return the lines of a body, indented if it is JSON."""
    text = dead_letter["body"]
    if text is None:
        return [faint(f"{title} in base 64"), cut(dead_letter["body_base64"] or "", MOST_OF_BODY)]
    try:
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        title = f"{title}, which is not JSON"
    return [faint(title), plain(cut(text, MOST_OF_BODY), kept="\n")]


def _second(text: str) -> str:
    return second(datetime.fromisoformat(text))


def one_line(text: str | None) -> str:
    """Return text from elsewhere on one line of at most 120 characters."""
    return cut(plain(" ".join((text or "").split())), 120)
