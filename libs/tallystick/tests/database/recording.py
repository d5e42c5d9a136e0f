"""Records every statement that the library runs on its tables, as a service at work runs it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tallystick._database.session import Session  # inside: what all statements go through

OURS = "tallystick."
"""The schema of the library's tables, as its statements name it."""
UNPLANNED = ("create ", "alter ", "drop ")
"""Partitions are made and dropped: no plan can be bad."""


@dataclass
class Statement:
    """A text, how its connection plans, the last arguments, and how long each run took in ms."""

    sql: str
    settings: dict[str, str]
    args: Sequence[Any] = ()
    ms: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return sorted(self.ms)[len(self.ms) // 2]


class Recorded(dict[tuple[str, str], Statement]):
    """Statements by text and planning."""

    @asynccontextmanager
    async def timed(self, session: Session, sql: str, args: Sequence[Any]) -> AsyncIterator[None]:
        begun = time.perf_counter()
        yield
        if OURS in sql and not sql.startswith(UNPLANNED):
            settings = _settings(session)
            key = sql, str(settings)
            statement = self.setdefault(key, Statement(sql, settings))
            statement.args = args
            statement.ms.append((time.perf_counter() - begun) * 1000)


def _settings(session: Session) -> dict[str, str]:
    connection = session._connection
    given = getattr(connection, "_con", connection)._params.server_settings
    return {name: value for name, value in given.items() if name.startswith("enable_")}


@contextmanager
def recording() -> Iterator[Recorded]:
    """Record all statements of this process until the block ends."""
    recorded = Recorded()

    def noted(name: str) -> Any:
        method = getattr(Session, name)

        async def run(self: Session, sql: str, *args: Any, **more: Any) -> Any:
            first = args[0][0] if name == "fetchmany" and args[0] else args
            async with recorded.timed(self, sql, first):
                return await method(self, sql, *args, **more)

        return run

    with pytest.MonkeyPatch.context() as patch:
        for name in ("fetch", "fetchval", "fetchmany", "execute"):
            patch.setattr(Session, name, noted(name))
        yield recorded
