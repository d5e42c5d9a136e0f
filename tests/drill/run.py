"""A drill from its start to its verdict."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from tallystick_local.background import background
from tallystick_local.figures import count, moment
from tallystick_local.interrupts import interruptible
from tallystick_local.live import Live
from tallystick_local.reading import AWAY
from tests.drill import failpoints
from tests.drill.clients import Clients
from tests.drill.collect import collect, dead_letters
from tests.drill.evidence import Evidence, Struck
from tests.drill.faults import KINDS, REPLICAS, Fault, given, plan, span
from tests.drill.figures import counts, recoveries
from tests.drill.ground import Ground
from tests.drill.injection import Injector
from tests.drill.pulse import Pulse
from tests.drill.replay import replay
from tests.drill.report import Result
from tests.drill.settling import not_looked, open_orders, settle, while_it_moves

BREAKS = (
    *("no-inbox", "ack-before-commit", "fresh-payment-key"),
    *("cursor-outbox", "no-lease-expiry", "drop-outbox"),
    *("no-compare-and-set", "settled-once", "unsent-lost", "unchecked-filter"),
)
LOOKS_WITHIN = 30.0
"""Seconds without any progress after which a reader will never look at its source."""
ENDS_WITHIN = 30.0
"""Seconds without any progress after healing, after which an order that is open is lost."""
QUIET_WITHIN = 10.0
"""Seconds from the last end in which all is quiet."""
SAID_AGAIN_WITHIN = 60.0
"""The same if a database was made to forget: the account has a minute to find that out."""
STALLED_AFTER = 10.0
"""Seconds without any progress after which sabotaged orders will never end."""
MOST_SABOTAGED = 300  # orders
RATE = 50.0
"""Orders a second: what two cores can do with two replicas of all, the proxies and the clients."""
APART = 10.0
"""Seconds between two faults of which each is to be seen alone."""
DIES_WITHIN = 120.0
"""Seconds without any progress after which poison will not become a dead letter."""


@dataclass(frozen=True, kw_only=True)
class Drill:
    """What is to be done: so many orders and faults, of these kinds; `arms` as in `serve`."""

    orders: int = 5000
    faults: int = 60
    seed: int = 1
    sabotage: str | None = None
    is_broken: bool = True  # else all that provokes the sabotage, and nothing broken
    kinds: Sequence[str] = tuple(KINDS)
    given: Sequence[tuple[str, str, float]] | None = None  # these faults and no others
    exactly: Sequence[Fault] | None = None  # these at these times
    arms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tokens: Sequence[str] = ()  # further orders with these payment tokens
    rate: float = RATE  # orders a second at most: fewer if faults strike for longer
    seconds: float | None = None  # in which orders come and faults strike, whatever the rate

    @property
    def span(self) -> float:
        """The seconds in which orders come and faults strike."""
        return self.seconds or max(span(self.faults), self.orders / self.rate)


def at_failpoints(drill: Drill) -> Drill:
    """The drill in which every failpoint kills its process, twice."""
    return replace(
        drill,
        faults=0,
        given=failpoints.FAULTS,
        arms=failpoints.ARMS,
        tokens=failpoints.TOKENS,
        seconds=failpoints.SECONDS,
    )


def one_by_one(drill: Drill) -> Drill:
    """The drill in which every process is killed once, each after the one before has recovered."""
    kinds = {"nats": "broker killed", "postgres": "database killed"}
    victims = (*REPLICAS, *kinds)
    plan = [
        Fault(APART * number, kinds.get(name, "service killed"), name, 0)
        for number, name in enumerate(victims, start=1)
    ]
    return replace(drill, exactly=plan, seconds=APART * (len(victims) + 1))


def sabotaged(drill: Drill) -> Drill:
    """The drill with the failpoints and the faults that its sabotage brings.

    `FAULTS` strike at times of the seed, `EXACTLY` at their own, within `SECONDS`.
    """
    if drill.sabotage is None:
        return drill
    module = import_module(f"tests.drill.sabotage.{drill.sabotage.replace('-', '_')}")
    return replace(
        drill,
        orders=min(drill.orders, MOST_SABOTAGED),
        faults=0,
        given=getattr(module, "FAULTS", ()),
        exactly=getattr(module, "EXACTLY", None),
        seconds=getattr(module, "SECONDS", None),
        arms=module.ARMS,
        tokens=module.TOKENS,
    )


async def run(drill: Drill, state: Path, live: Live) -> Result:
    """Start a platform on this empty folder, let it suffer, heal it, and hold it to its promise."""
    ground = Ground(
        state,
        lambda name, text: live.say(f"{name:>12} | {text}"),
        arms=drill.arms,
        sabotage=drill.sabotage,
        is_broken=drill.is_broken,
    )
    began = time.monotonic()
    live.say("starting NATS, PostgreSQL and two replicas of every service ...")
    with interruptible(ground.kill, live.say):
        async with ground.open():
            live.say(f"up after {time.monotonic() - began:.1f} s")
            return await Course(drill, ground, live, began).run()


class Course:
    """The course of one drill on a ground that runs."""

    def __init__(self, drill: Drill, ground: Ground, live: Live, began: float) -> None:
        self._drill = drill
        self._ground = ground
        self._live = live
        self._began = began
        self._server = ground.facts.database("postgres")
        self._nats = ground.facts.url("nats", "nats")
        self._plan = _plan(drill)
        self._clients = Clients(ground.door, drill.orders, drill.span, drill.seed)
        self._injector = Injector(ground, self._clients, drill.seed)
        self._pulse = Pulse()
        self._since = moment(0)  # a clock that is behind makes ids of before the drill
        self._healed_at = 0.0
        self._dead: list[Any] = []
        self._complaints: list[str] = []

    async def run(self) -> Result:
        """Faults and orders at once; then healing, the end of all orders, and the audit."""
        await while_it_moves(self._not_looked, LOOKS_WITHIN)
        async with background(self._watch(), self._pulse.run()):
            visits = asyncio.create_task(self._clients.run())
            try:
                await asyncio.gather(
                    asyncio.sleep(self._drill.span),  # so long orders come
                    self._injector.run(self._plan),
                    *map(self._place, range(len(self._drill.tokens))),
                )
                await self._heal()
                await self._until_ended(visits)
                within = SAID_AGAIN_WITHIN if self._injector.forgotten else QUIET_WITHIN
                evidence, violations = await settle(
                    self._collect, within=within, give_up_after=DIES_WITHIN
                )
            finally:
                visits.cancel()
                with suppress(asyncio.CancelledError):
                    await visits
        self._live.end()
        return Result(
            seed=self._drill.seed,
            orders=self._drill.orders,
            sabotage=self._drill.sabotage if self._drill.is_broken else None,
            plan=self._plan,
            evidence=evidence,
            violations=violations,
            counts=counts(evidence, violations),
            recoveries=recoveries(evidence),
            seconds=time.monotonic() - self._began,
            settled=time.time() - self._healed_at,
            troubles=[*self._injector.failed, *self._complaints, *self._not_reached()],
            noticed=self._noticed(evidence),
        )

    async def _place(self, number: int) -> None:
        await asyncio.sleep(number)
        await self._clients.poisoned(self._drill.tokens[number], f"token-{number}")

    async def _heal(self) -> None:
        await self._injector.heal()
        wanted = sum(poison.reason is not None for poison in self._injector.poison)
        self._live.say(f"healed; {wanted} poisoned messages must be dead letters")

        async def left() -> tuple[int, ...]:
            """Poison that lives; its message may come late, while other orders still end."""
            with suppress(*AWAY):
                self._dead = await dead_letters(self._server)
            dead = {row["about"] for row in self._dead}
            poisoned = {poison.about for poison in self._injector.poison}
            return max(wanted - len(dead & poisoned), 0), await self._open()

        await while_it_moves(left, DIES_WITHIN)
        self._ground.heal_poison()
        forgotten = {each.about for each in self._injector.denied}
        mended = [row for row in self._dead if row["about"] not in forgotten]
        self._complaints = await replay(self._ground.settings.state, mended)
        self._healed_at = time.time()

    async def _until_ended(self, visits: asyncio.Task[None]) -> None:
        """Waits for the end of all orders, as long as some end: how many are open is no matter."""

        async def left() -> tuple[int, ...]:
            """A customer who has not ended counts as an open order."""
            return (await self._open() + (not visits.done() and not self._drill.sabotage),)

        await while_it_moves(left, STALLED_AFTER if self._drill.sabotage else ENDS_WITHIN)
        if visits.done():
            visits.result()

    async def _not_looked(self) -> tuple[int, ...]:
        return (await not_looked(self._server),)

    async def _open(self) -> int:
        return await open_orders(self._server, self._since)

    async def _collect(self) -> Evidence:
        return await collect(
            self._server,
            self._nats,
            history=self._clients.history(),
            struck=sorted([*self._injector.struck, *self._killed()], key=lambda one: one.at),
            outages=self._ground.outages.intervals,
            starved=tuple(self._pulse.starved),
            forgotten=self._injector.forgotten,
            denied=self._injector.denied,
            set_back=self._injector.set_back,
            closed_early=self._injector.closed_early,
            poison=self._injector.poison,
            dead=self._dead,
            healed_at=self._healed_at,
        )

    def _noticed(self, evidence: Evidence) -> list[str]:
        """What was noticed of faults that nobody may notice, and that nothing else explains."""
        complaints = self._injector.complaints
        left = (each.left(evidence.struck, evidence.outages) for each in complaints)
        return [str(each) for each in left if each]

    def _not_reached(self) -> list[str]:
        """The failpoints that were not passed as often as they should; sabotage owes none."""
        if self._drill.sabotage:
            return []
        found = Counter(struck.target for struck in self._killed())
        wanted = {
            f"{service} {place}": when["times"]
            for service, places in self._drill.arms.items()
            for place, when in places.items()
        }
        return [
            f"failpoint of {target}: {found[target]} of {times} times"
            for target, times in wanted.items()
            if found[target] < times
        ]

    def _killed(self) -> list[Struck]:
        """What failpoints have done."""
        found = []
        for mark in self._ground.settings.state.glob("killed.*"):
            _, service, place, _ = mark.name.split(".")
            at = mark.stat().st_mtime
            found.append(Struck("killed at a failpoint", f"{service} {place}", at, at))
        return found

    async def _watch(self) -> None:
        while True:
            struck = len(self._injector.struck)
            try:
                line = (await count(self._server, self._since)).line()
            except AWAY as error:
                line = f"the database is away: {type(error).__name__}"
            self._live.show(f"{line}  {struck:>4}/{len(self._plan)} faults")
            await asyncio.sleep(1)


def _plan(drill: Drill) -> list[Fault]:
    if drill.exactly is not None:
        return list(drill.exactly)
    if drill.given is not None:
        return given(drill.seed, drill.given, drill.span)
    return plan(drill.seed, drill.faults, drill.span, drill.kinds)
