"""When a process was away, as its supervisor saw it: whatever made it end."""

from __future__ import annotations

import time
from collections.abc import Callable

from tallystick_local.report import Report
from tests.drill.evidence import Interval


class Outages:
    """Listens to what is reported of processes: all but its return is an end.

    A process may have been of no use for `blocked_s` before it is seen to end.
    """

    def __init__(
        self, report: Report, blocked_s: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._report = report
        self._blocked_s = blocked_s
        self._clock = clock
        self._away_since: dict[str, float] = {}
        self._ended: list[Interval] = []

    def report(self, name: str, text: str) -> None:
        """Note what it means, and hand it on."""
        if text == "is back":
            if since := self._away_since.pop(name, None):
                self._ended.append((since, self._clock()))
        else:
            self._away_since.setdefault(name, self._clock() - self._blocked_s)
        self._report(name, text)

    @property
    def intervals(self) -> list[Interval]:
        """Every outage, those that last included."""
        now = self._clock()
        return [*self._ended, *((since, now) for since in self._away_since.values())]
