"""The held loop: claims what is due and can start at once, and runs it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from tallystick import _held_rows as held_rows
from tallystick._attempts import Attempts
from tallystick._binding import Binding
from tallystick._database import Database, Record
from tallystick._errors import DatabaseUnavailable, InDoubt, TallystickError, TemporaryError
from tallystick._failpoints import failpoint
from tallystick._group import AlreadyTaken
from tallystick._held_rows import POISON_DEATHS, POISON_LAPSES, SUSPECT_LAPSES, Held
from tallystick._holder import Holder
from tallystick._inbound import Inbound
from tallystick._metrics import CIRCUIT_OPEN, HELD, child
from tallystick._retry import Again
from tallystick._slots import Slots
from tallystick._suspects import AWAY, Suspects

log = structlog.get_logger()

_CLAIM = """with due as (
    select d.* from unnest($2::text[], $3::int[]) s(durable, slots), lateral (
        select durable, source, id from tallystick.held h
        where h.durable = s.durable and state in ('retry', 'suspect') and replica is null
        and due_at <= now() order by due_at limit s.slots for update skip locked) d)
update tallystick.held h set claim = h.claim + 1, replica = $1 from due
where (h.durable, h.source, h.id) = (due.durable, due.source, due.id)
returning h.durable, h.source, h.id, subject, headers, body, stream, stream_sequence,
    claim, attempts, lapses, deaths, patient_until - now(), trace"""
_MINE = "select durable, source, id, claim from tallystick.held where replica = $1"
_RELEASE = """update tallystick.held h set replica = null, claim = h.claim + 1, due_at = now()
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) m(durable, source, id, claim)
where (h.durable, h.source, h.id, h.claim) = (m.durable, m.source, m.id, m.claim)
returning h.id"""
_UNCLAIM = """update tallystick.held h set replica = null, claim = h.claim - 1
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) m(durable, source, id, claim)
where (h.durable, h.source, h.id, h.claim) = (m.durable, m.source, m.id, m.claim)"""
_COUNTS = "select durable, state, count(*) from tallystick.held group by durable, state"


Claim = tuple[str, str, str, int]
"""A message's key and the number of its claim."""

CLAIM_EVERY = 0.01  # seconds, so that slots that become free one by one are filled together


class Poison(TallystickError):
    """It took its process with it too often."""


class HeldLoop:
    """What waits in this service's database, worked off by this replica."""

    def __init__(
        self,
        replica: str,
        bindings: Mapping[str, Binding],
        database: Database,
        slots: Slots,
        attempts: Attempts,
        holder: Holder,
        suspects: Suspects,
        deadline_s: float,
    ) -> None:
        self._replica = replica
        self._bindings = bindings
        self._database = database
        self._slots = slots
        self._attempts = attempts
        self._holder = holder
        self._suspects = suspects
        self._deadline_s = deadline_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._claiming = asyncio.Lock()
        self._counted: set[tuple[str, str]] = set()
        slots.on_free = self._wake.set

    def start(self, held: Held) -> None:
        """Runs a claimed message whose slot is taken."""
        task = asyncio.create_task(self._run(held))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def wake(self, delay: float = 0) -> None:
        """Something falls due in `delay` seconds."""
        asyncio.get_running_loop().call_later(delay, self._wake.set)

    async def run(self) -> None:
        """Claims when woken; ends when cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.claim()
            except (DatabaseUnavailable, InDoubt) as error:
                log.warning("cannot claim what is due", error=str(error))
            await asyncio.sleep(CLAIM_EVERY)

    async def claim(self) -> None:
        """Claims due rows, as many as have a slot, and starts them."""
        async with self._claiming:  # a claim that has no slot yet looks like one in doubt
            await self._claim()

    async def _claim(self) -> None:
        taken: list[Held] = []
        try:
            async with self._database.connection() as connection:
                await self._take(connection, taken)
        except BaseException:
            for held in taken:
                self._slots.give_back(held.inbound.key)
            raise
        failpoint("after-claim-before-run")
        for held in taken:
            self.start(held)

    async def _take(self, connection: Any, taken: list[Held]) -> None:
        """Claims what has a slot, and adds it to `taken`.

        A slot that was free may be gone to an effect that started with its commit meanwhile; nobody
        ever sees that claim, so that an effect that never started can still be withdrawn.
        """
        self._slots.missed = False  # what misses a slot from now on says so again
        free = {d: n for d in self._bindings if (n := self._slots.free(d)) > 0}
        slots = (list(free), list(free.values()))
        late: list[Claim] = []
        rows = [_held(r) for r in await connection.fetch(_CLAIM, self._replica, *slots)]
        for held in rows:
            if self._slots.take(held.inbound.key):
                taken.append(held)
            else:
                late.append((*held.inbound.key, held.claim))
        if late:
            await connection.execute(_UNCLAIM, *_columns(late))
        self._wait(free, Counter(held.inbound.durable for held in rows))

    def _wait(self, free: Mapping[str, int], found: Mapping[str, int]) -> None:
        """Where as much was due as could start, more may be: wakes when that can start."""
        for durable in self._bindings:
            if found.get(durable, 0) == free.get(durable, 0):
                self._slots.missed = True
                if (next_in := self._slots.next_in(durable)) is not None:
                    self.wake(next_in)

    async def sweep(self) -> None:
        """Ends claims of this replica that do not run: their commit was in doubt."""
        async with self._claiming:
            idle = [claim for claim in await self._mine() if claim[:3] not in self._slots]
            released = await self._release(idle)
        if released:
            log.warning("claims were interrupted, they are due again", count=released)
        await self._measure()
        self._wake.set()

    async def drain(self) -> None:
        """Claims nothing more; returns when what runs has ended, and frees what is left."""
        self._slots.closed = True
        if self._tasks:
            await asyncio.wait(list(self._tasks))
        await self._release(await self._mine())

    async def _release(self, claims: Sequence[Claim]) -> int:
        """Makes claims due again that nobody has changed meanwhile; returns how many."""
        if not claims:
            return 0
        return len(await self._database.fetch(_RELEASE, *_columns(claims)))

    async def _mine(self) -> list[Claim]:
        return [(r[0], r[1], r[2], r[3]) for r in await self._database.fetch(_MINE, self._replica)]

    async def _measure(self) -> None:
        rows = await self._database.fetch(_COUNTS)
        found = {(row[0], row[1]): row[2] for row in rows}
        for durable, state in self._counted | set(found):
            child(HELD, durable, state).set(found.get((durable, state), 0))
        self._counted = set(found)
        for durable in self._bindings:
            child(CIRCUIT_OPEN, durable).set(self._slots.closed_for(durable) > 0)

    async def _run(self, held: Held) -> None:
        binding = self._bindings[held.inbound.durable]
        try:
            await self._treat(binding, held)
        except AlreadyTaken:
            log.warning("lost the claim meanwhile", durable=binding.durable, id=held.inbound.id)
        except (DatabaseUnavailable, InDoubt) as error:
            log.warning("an attempt ended in doubt", durable=binding.durable, error=str(error))
        except Exception:
            log.exception("an attempt could not be recorded", durable=binding.durable)
        finally:
            self._slots.give_back(held.inbound.key)

    async def _treat(self, binding: Binding, held: Held) -> None:
        """Blame falls on the guilty: who may have killed a replica is tried in a child first."""
        if held.deaths >= POISON_DEATHS:
            await self._holder.bury(held, Poison(f"it killed its process {held.deaths} times"))
        elif held.lapses >= POISON_LAPSES:
            await self._holder.bury(held, Poison(f"its replica went {held.lapses} times"))
        elif held.lapses >= SUSPECT_LAPSES and self._suspects.possible:
            await self._try_alone(binding, held)
        else:
            await self.attempt(binding, held)

    async def _try_alone(self, binding: Binding, held: Held) -> None:
        deadline = binding.deadline.total_seconds() if binding.deadline else self._deadline_s
        code = await self._suspects.run(held, deadline)
        if code == AWAY:
            log.warning("a suspect could not be tried: no database", durable=binding.durable)
        elif code:
            await self._holder.died(held, code)
        self.wake(1)

    async def attempt(self, binding: Binding, held: Held) -> None:
        """Runs the handler once, under the claim; what it raises is stored with the message."""
        try:
            done = await self._attempts.run(
                binding,
                held.inbound,
                held_rows.end(held),
                attempt=held.starts,
                previous=held.trace,
            )
        except (DatabaseUnavailable, InDoubt):
            raise
        except Exception as error:  # noqa: BLE001  # stored with the message, and logged
            self._slots.ended(binding.durable, answered=not isinstance(error, TemporaryError))
            decision = await self._holder.fail(binding, held, error)
            if isinstance(decision, Again):
                self.wake(max(decision.delay, self._slots.closed_for(binding.durable)))
        else:
            self._slots.ended(binding.durable, answered=True)
            if done and held.claim > 1:
                await self._holder.succeeded(held)


def _columns(claims: Sequence[Claim]) -> list[list[Any]]:
    """Claims as the arrays that a statement takes."""
    return [[claim[place] for claim in claims] for place in range(4)]


def _held(record: Record) -> Held:
    row = tuple(record)
    inbound = Inbound(*row[:8])
    return Held(inbound, *row[8:])
