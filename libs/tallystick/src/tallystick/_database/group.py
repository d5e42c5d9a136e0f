"""Group commit: units of concurrent callers share one transaction.

One transaction per message costs 81 us of client CPU and one fsync. A hundred messages in one
transaction, sent as one `fetchmany` per statement, cost 8 us and a hundredth of an fsync each
(measured, PostgreSQL 18.4, 2 cores). Section 8 of docs/delivery.md.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from tallystick._database.session import Record, Session
from tallystick._database.units import RequiredWrite, Unit, Write, batches
from tallystick._failpoints import failpoint
from tallystick._telemetry.metrics import COMMIT_SECONDS, COMMIT_UNITS, CONFLICTS, child
from tallystick.errors import Conflict, DatabaseUnavailable, InDoubt, TallystickError

Connect = Callable[[], Awaitable[Session]]
Stored = frozenset[Hashable]
LARGEST = 100  # units; more gain nothing (measured up to 250), and a failing one is found later
RETRIES = 10
SHARED_STATEMENT_S = 2.5
"""The longest that a statement may delay other units; then its unit runs on the slow lane."""

AGAIN = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.exceptions.InvalidCachedStatementError,  # a migration ran since the last use
)
"""Errors that no unit causes and that pass when the group runs again."""


class AlreadyProcessed(TallystickError):
    """The message was received before, or its lease was lost: the unit changed nothing."""


class NotCurrent(Conflict):
    """The database refused one of the library's rows as made too long ago: it is made anew."""


class _StatementFailed(Exception):
    """One statement failed; `__cause__` is its error, `units` are the units that it ran for."""

    def __init__(self, units: Set[Unit]) -> None:
        super().__init__()
        self.units = units


@dataclass(eq=False, slots=True)
class _Waiting:
    unit: Unit
    keys: frozenset[Hashable]
    is_apart: bool = False
    stored: asyncio.Future[Stored] = field(default_factory=asyncio.Future)

    def resolve(self, stored: Stored) -> None:
        if not self.stored.done():
            self.stored.set_result(stored)

    def fail(self, error: BaseException) -> None:
        if not self.stored.done():
            self.stored.set_exception(error)


class Group:
    """Commits units in groups, over `lanes` connections of its own and one for slow units."""

    def __init__(
        self, name: str, connect: Connect, *, lanes: int = 2, within_s: float = 10.0
    ) -> None:
        self.name = name
        self._lanes = lanes
        shared_s = min(SHARED_STATEMENT_S, within_s)
        self._idle = [_Lane(name, connect, shared_s, self._set_apart) for _ in range(lanes)]
        self._slow = _Lane(name, connect, shared_s, None)
        self._slow_queue: list[_Waiting] = []
        self._queue: list[_Waiting] = []
        self._is_slow_at_work = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, unit: Unit) -> Stored:
        """Commit a unit with others; return the guards of the outputs that are new.

        Raises AlreadyProcessed, Conflict, DatabaseUnavailable, InDoubt, or the database's error
        for this unit's own statements: TimeoutError if one of them took too long.
        """
        waiting = _Waiting(unit, frozenset(unit.keys()))
        self._queue.append(waiting)
        if len(self._queue) == 1:
            asyncio.get_running_loop().call_soon(self._dispatch)
        return await waiting.stored

    @property
    def waiting(self) -> int:
        """The number of units that no transaction contains yet."""
        return len(self._queue)

    @property
    def connections(self) -> tuple[int, int]:
        """The number of connections in use, and the number of idle ones."""
        lanes = [*self._idle, *([] if self._is_slow_at_work else [self._slow])]
        return self._lanes + 1 - len(lanes), sum(lane.is_connected for lane in lanes)

    def renew(self) -> None:
        """Close idle connections, so that the next group opens new ones."""
        for lane in (*self._idle, *([] if self._is_slow_at_work else [self._slow])):
            lane.close()

    async def close(self) -> None:
        """Commit every submitted unit, then close all connections."""
        while self._queue or self._tasks:
            self._dispatch()
            await asyncio.wait(self._tasks)
        for lane in (*self._idle, self._slow):
            lane.close()

    def _dispatch(self) -> None:
        while self._queue and self._idle:
            group, self._queue = _choose(self._queue)
            lane = self._idle.pop()
            self._begin(self._run(lane, group))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _set_apart(self, slow: list[_Waiting]) -> None:
        """Run slow units on the slow lane, so that they delay no other unit.

        Example: in a group of 100 units, a statement of two units waits for a row lock. After 2.5 s
        it is cancelled and the other 98 commit. The two run here, first together, then each alone
        with the whole timeout.
        """
        for waiting in slow:
            waiting.is_apart = True
        self._slow_queue += slow
        if not self._is_slow_at_work:
            self._is_slow_at_work = True
            self._begin(self._run_slow())

    async def _run_slow(self) -> None:
        try:
            while self._slow_queue:
                group, self._slow_queue = _choose(self._slow_queue)
                await self._settle(self._slow, group)
        finally:
            self._is_slow_at_work = False

    async def _run(self, lane: _Lane, group: list[_Waiting]) -> None:
        try:
            await self._settle(lane, group)
        finally:
            self._idle.append(lane)
            self._dispatch()

    async def _settle(self, lane: _Lane, group: list[_Waiting]) -> None:
        try:
            await lane.settle(group)
        except BaseException as error:
            for waiting in group:
                if waiting.is_apart == (lane is self._slow):
                    waiting.fail(error)
            if not isinstance(error, Exception):
                raise


def _choose(queue: list[_Waiting]) -> tuple[list[_Waiting], list[_Waiting]]:
    """Return the next group, which contains each key once, and the units left for later ones.

    Example: units with the keys a, b, a, b make two groups, each of one a and one b.
    """
    group: list[_Waiting] = []
    later: list[_Waiting] = []
    seen: set[Hashable] = set()
    for place, waiting in enumerate(queue):
        if len(group) == LARGEST:
            return group, later + queue[place:]
        (later if waiting.keys & seen else group).append(waiting)
        seen |= waiting.keys
    return group, later


class _Lane:
    """One connection that commits one group at a time."""

    def __init__(
        self,
        name: str,
        connect: Connect,
        shared_s: float,
        set_apart: Callable[[list[_Waiting]], None] | None,
    ) -> None:
        self._name = name
        self._connect = connect
        self._shared_s = shared_s
        self._set_apart = set_apart
        self._session: Session | None = None

    @property
    def is_connected(self) -> bool:
        return self._session is not None and not self._session.is_closed

    def close(self) -> None:
        if self._session is not None:
            self._session.drop()

    async def settle(self, group: list[_Waiting]) -> None:
        """Commit every unit that can be; each other unit gets its own error.

        Raises DatabaseUnavailable and InDoubt, which concern the whole group.
        """
        retries = 0
        while group:
            try:
                missed, stored = await self._attempt([waiting.unit for waiting in group])
            except (DatabaseUnavailable, InDoubt):
                raise
            except Exception as error:  # noqa: BLE001  # raised to the unit that caused it
                if isinstance(_cause(error), AGAIN) and retries < RETRIES:
                    retries += 1
                    continue
                await self._divide(group, error)
                return
            group = self._resolve(group, missed, stored)

    def _resolve(
        self, group: list[_Waiting], missed: dict[Unit, TallystickError], stored: Stored
    ) -> list[_Waiting]:
        """Resolve the settled units; return those that run again without the units in conflict."""
        for waiting in group:
            if waiting.unit in missed:
                child(CONFLICTS, self._name).inc()
                waiting.fail(missed[waiting.unit])
            elif not missed:
                waiting.resolve(stored)
        return [waiting for waiting in group if missed and waiting.unit not in missed]

    async def _divide(self, group: list[_Waiting], error: Exception) -> None:
        """Find the unit that caused an error: settle the units that cannot have, halve the rest.

        Example: a statement fails that units 3 and 7 of ten share. The other eight commit; then 3
        and 7 run together, then each alone, and the one that fails alone gets the error.
        """
        failed = error.units if isinstance(error, _StatementFailed) else set[Unit]()
        parts = (
            [waiting for waiting in group if waiting.unit not in failed],
            [waiting for waiting in group if waiting.unit in failed],
        )
        if parts[1] and self._set_apart is not None and isinstance(_cause(error), TimeoutError):
            self._set_apart(parts[1])
            await self.settle(parts[0])
            return
        if len(group) == 1:
            group[0].fail(_cause(error))
            return
        if not all(parts):
            middle = len(group) // 2
            parts = (group[:middle], group[middle:])
        for part in parts:
            await self.settle(part)

    async def _attempt(self, units: list[Unit]) -> tuple[dict[Unit, TallystickError], Stored]:
        """Run one transaction: commit, or roll back and return the units that missed a guard."""
        begun = time.perf_counter()
        session = await self._connected()
        try:
            await session.execute("begin")
            is_alone = len(units) == 1 and self._set_apart is None
            within_s = None if is_alone else self._shared_s
            missed, stored = await _execute(session, units, within_s)
        except BaseException:
            await session.roll_back()
            raise
        if missed:
            await session.roll_back()
            return missed, stored
        await self._finish(session)
        failpoint("after-commit-before-answer")
        child(COMMIT_SECONDS, self._name).observe(time.perf_counter() - begun)
        child(COMMIT_UNITS, self._name).observe(len(units))
        return {}, stored

    async def _finish(self, session: Session) -> None:
        failpoint("before-commit")
        try:
            await session.commit()
        except Exception:
            if not session.is_closed:
                await session.roll_back()
            raise

    async def _connected(self) -> Session:
        if self._session is None or self._session.is_closed:
            self._session = await self._connect()
        return self._session


def _cause(error: Exception) -> BaseException:
    return (error.__cause__ or error) if isinstance(error, _StatementFailed) else error


async def _execute(
    session: Session, units: list[Unit], within_s: float | None
) -> tuple[dict[Unit, TallystickError], Stored]:
    """Run the statements; return the units with a missed guard, and all guards that were met."""
    missed: dict[Unit, TallystickError] = {}
    stored: set[Hashable] = set()
    for sql, pairs in batches(units):
        try:
            rows = await _run(session, sql, [write for _, write in pairs], within_s)
            met = _met(pairs, rows)
        except DatabaseUnavailable:
            raise
        except Exception as error:
            raise _StatementFailed({unit for unit, _ in pairs}) from error
        stored |= met
        for unit, write in pairs:
            if write.guard is not None and write.guard not in met:
                _miss(missed, unit, write)
    return missed, frozenset(stored)


async def _run(
    session: Session, sql: str, writes: Sequence[Write], within_s: float | None
) -> list[Record]:
    """Run a statement for each of its writes, or once for all of them if it takes arrays."""
    if writes[0].arrays:
        columns = zip(*(write.args for write in writes), strict=True)
        return await session.fetch(sql, *map(list, columns), within_s=within_s)
    return await session.fetchmany(sql, [write.args for write in writes], within_s=within_s)


def _met(pairs: Sequence[tuple[Unit, Write]], rows: Sequence[Record]) -> set[Hashable]:
    """Return the keys that a statement returned; raise TypeError if one cannot be compared.

    A guard of another type than its column (a text for a UUID) is equal to it in the database but
    not in Python: each attempt would raise Conflict, for ever.
    """
    guards = {write.guard for _, write in pairs if write.guard is not None}
    if not guards:
        return set()
    met = {row[0] if len(row) == 1 else tuple(row) for row in rows}
    if missing := guards - met:
        for returned in met - guards:
            _compare(returned, next(iter(missing)))
    return met


def _compare(returned: Hashable, guard: Hashable) -> None:
    types = _types(returned), _types(guard)
    if types[0] != types[1]:
        raise TypeError(
            f"the statement returned {returned!r}, but its guard is {guard!r}: give the guard the "
            f"type that the column returns ({types[0]}, not {types[1]})"
        )


def _types(key: Hashable) -> str:
    """Return the types of a key's columns as text."""
    return ", ".join(type(part).__name__ for part in (key if isinstance(key, tuple) else (key,)))


def _miss(missed: dict[Unit, TallystickError], unit: Unit, write: Write) -> None:
    if write is unit.settlement:
        missed[unit] = AlreadyProcessed()
    elif isinstance(write, RequiredWrite):
        missed.setdefault(unit, NotCurrent())
    elif write in unit.writes:
        missed.setdefault(unit, Conflict())
