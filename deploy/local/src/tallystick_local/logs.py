"""What a person should see of the processes' logs."""

import asyncio
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

import structlog

_SEVERE = {"warning", "error", "critical"}
_HIDDEN = {"event", "level", "timestamp", "service", "replica", "trace_id", "span_id", "exception"}
_SERVERS = re.compile(r"\[(WRN|ERR|FTL)\]|\b(FATAL|PANIC):")


def notable(line: str) -> str | None:
    """Return the line for a terminal if it is a warning or worse; else None."""
    if not line.startswith("{"):
        return line if _SERVERS.search(line) else None
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if entry.get("level") not in _SEVERE:
        return None
    rest = " ".join(f"{key}={value}" for key, value in entry.items() if key not in _HIDDEN)
    cause = str(entry.get("exception", "")).strip().rsplit("\n", 1)[-1]
    return " ".join(part for part in (entry["level"], str(entry.get("event")), rest, cause) if part)


def quiet() -> None:
    """Keep our own process to what is notable, too."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))


class Follower:
    """Reads what was appended to the logs of a folder since it last looked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[Path, int] = {}

    def lines(self) -> list[tuple[str, str]]:
        """Return the new whole lines, each with the name of its process."""
        return [(log.stem, line) for log in self._logs() for line in self._new(log)]

    def _logs(self) -> list[Path]:
        return sorted(self._folder.glob("*.log"))

    def _new(self, log: Path) -> list[str]:
        begin = self._seen.get(log, 0)
        with log.open("rb") as file:
            file.seek(begin)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._seen[log] = begin + len(whole) + len(newline)
        return whole.decode(errors="replace").splitlines()


async def follow(folder: Path, show: Callable[[str, str], None], every: float = 0.3) -> None:
    """Show what is notable, as it comes, for ever."""
    follower = Follower(folder)
    while True:
        for name, line in follower.lines():
            text = notable(line)
            if text:
                show(name, text)
        await asyncio.sleep(every)
