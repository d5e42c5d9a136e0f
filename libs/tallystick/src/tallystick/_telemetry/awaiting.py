"""Calls that act only once they are awaited: one that never was is an error, not a warning."""

from __future__ import annotations

import sys
from contextvars import ContextVar

import structlog

from tallystick._telemetry.metrics import NOT_AWAITED, child
from tallystick.errors import NotAwaited

log = structlog.get_logger()

_noted: ContextVar[list[NotAwaited] | None] = ContextVar("not_awaited", default=None)


def note_unawaited() -> list[NotAwaited]:
    """Return a list that collects this task's calls that nobody awaited, from now on.

    Whoever calls it fails the work of the task by them: a request, or an attempt at a message.
    """
    noted: list[NotAwaited] = []
    _noted.set(noted)
    return noted


class Call:
    """An argument of a coroutine, which sets `begun` first; 0.2 us.

    A coroutine that is let go before that takes this with it, which is logged with the place of the
    call, counted, and noted for the task.
    """

    __slots__ = ("_at", "_code", "_name", "begun")

    def __init__(self, name: str) -> None:
        """`name` is what the user writes; made by the method that the user calls."""
        frame = sys._getframe(2)  # noqa: SLF001  # inspect's way costs microseconds
        self._code, self._at = frame.f_code, frame.f_lasti  # not the frame: it holds its variables
        self._name = name
        self.begun = False

    def __del__(self) -> None:
        if not self.begun:
            child(NOT_AWAITED, self._name).inc()
            log.error("call not awaited", call=self._name, at=self._place())
            noted = _noted.get()
            if noted is not None:
                noted.append(self.error())

    def error(self) -> NotAwaited:
        """What to raise for it."""
        return NotAwaited(
            f"await is missing before {self._name} ({self._place()}): nothing of it was done"
        )

    def _place(self) -> str:
        file = self._code.co_filename.rpartition("/")[2]
        lines = (line for begin, end, line in self._code.co_lines() if begin <= self._at < end)
        return f"{file}:{next(lines, None) or self._code.co_firstlineno}"
