"""Show warnings and errors from the logs of the processes."""

import asyncio
import json
import logging
import re
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from tallystick_local.repeats import Repeats
from tallystick_local.report import Report

_SEVERE = {"warning", "error", "critical"}
_RECOVERIES = {"broker reconnected", "database recovered", "circuit closed"}
"""What ends a warning: without it a terminal would go on showing an outage."""
_HIDDEN = {"event", "level", "timestamp", "service", "replica", "trace_id", "span_id", "exception"}
_SERVERS = re.compile(r"\[(WRN|ERR|FTL)\]|\b(FATAL|PANIC):")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class Notable:
    """A warning or worse, or its end: its text, and its kind, which similar lines share."""

    kind: str
    text: str


def notable(line: str) -> Notable | None:
    """Return what a terminal should show of a log line, or None."""
    if not line.startswith("{"):
        found = _SERVERS.search(line)
        return _plain(line[found.start() :]) if found else None
    try:
        entry = json.loads(line)
    except ValueError:
        return _plain(line)
    if entry.get("level") not in _SEVERE and entry.get("event") not in _RECOVERIES:
        return None
    event = f"{entry['level']} {entry.get('event')}"
    rest = " ".join(f"{key}={value}" for key, value in entry.items() if key not in _HIDDEN)
    cause = str(entry.get("exception", "")).strip().rsplit("\n", 1)[-1]
    return Notable(event, " ".join(f"{event} {rest} {cause}".split()))  # on one line


def _plain(text: str) -> Notable:
    return Notable(_NUMBER.sub("", text), text)


def quiet() -> None:
    """Log only warnings and worse in our own process, too."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


class Follower:
    """Reads the lines that were appended to the logs of a folder since the last call."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[Path, int] = {}

    def lines(self) -> list[tuple[str, str]]:
        """Return the new complete lines, each with the name of its process."""
        logs = sorted(self._folder.glob("*.log"))
        return [(log.stem, line) for log in logs for line in self._new(log)]

    def _new(self, log: Path) -> list[str]:
        begin = self._seen.get(log, 0)
        with log.open("rb") as file:
            file.seek(begin)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._seen[log] = begin + len(whole) + len(newline)
        return whole.decode(errors="replace").splitlines()


async def follow(folder: Path, report: Report, every: float = 0.3) -> None:
    """Report warnings and errors until cancelled; of repeated ones only the number."""
    follower, repeats = Follower(folder), Repeats()
    while True:
        for name, line in follower.lines():
            found = notable(line)
            if found and repeats.is_news((name, found.kind), found.text, time.monotonic()):
                report(name, found.text)
        for (name, _), text in repeats.summed_up(time.monotonic()):
            report(name, text)
        await asyncio.sleep(every)
