"""Makes faults happen, each counted with its times, and heals what it did."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any, TypeVar

import aiohttp
import asyncpg
import nats
import psutil  # type: ignore[import-untyped]
import structlog

from tallystick import TallystickError
from tallystick_local.holding import held
from tallystick_local.keeper import Keeper
from tests.drill import ageing, broker, busy, clock, database
from tests.drill.clients import Clients
from tests.drill.dials import Dial
from tests.drill.evidence import Denied, Forgotten, Interval, Poison, Struck
from tests.drill.faults import DATABASES, KINDS, OUTSIDERS, WEBHOOKS, Fault
from tests.drill.ground import Ground
from tests.drill.hanging import Hanging
from tests.drill.setback import SetBack
from tests.drill.witness import Complaint
from tests.drill.witnesses import witness_of

log = structlog.get_logger()
T = TypeVar("T")

SLOW = 0.05  # seconds for each piece of a connection that is slow
OUTSIDE: dict[str, dict[str, Any]] = {
    "outsider slow": {"latency_ms": 200, "jitter_ms": 500},
    "outsider timeouts": {"silence_after": 0.5, "silence_before": 0.3},
    "outsider late": {"late": 0.7},
    "outsider resets after the effect": {"reset_after": 0.7},
    "outsider 5xx storm": {"error_before": 0.4, "error_after": 0.4},
    "outsider garbled": {"garbled": 0.7},
    "webhook-duplicate": {"duplicate": 1},
    "webhook-late": {"late": 0.8, "late_ms": 3_000},
}
POISON = {
    "poison: exception": ("exception", "exhausted"),
    "poison: slow statement": ("wait", "exhausted"),
    "poison: exit": ("exit", "poison"),
    "poison: memory": ("memory", "poison"),
    "poison: endless loop": ("loop", "poison"),
}
DIALS = {
    "pool busy": (busy.NAME, 1.0),
    "clock ahead": (clock.NAME, clock.SKEW),
    "clock behind": (clock.NAME, -clock.SKEW),
}
"""Which dial of a replica is set, and how."""
PATIENCE_S = 60  # nothing can be done to a database or a stream while it is away
IDLE_S = 20  # a database that has nothing to forget yet is waited for
FAILURES = (
    TallystickError,
    nats.errors.Error,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,  # its own connection was broken off by another fault
    OSError,
    TimeoutError,
    aiohttp.ClientError,
)


class Injector:
    """Carries out faults on one ground; `struck` and `poison` are what has occurred.

    `complaints` are what was noticed of faults that nobody may notice, `forgotten` what databases
    were made to forget, `denied` what their services had published, `set_back` the times that they
    forgot, `closed_early` orders and the periods that were closed before their commit.
    """

    def __init__(self, ground: Ground, clients: Clients, seed: int) -> None:
        self.struck: list[Struck] = []
        self.poison: list[Poison] = []
        self.failed: list[str] = []
        self.complaints: list[Complaint] = []
        self.forgotten: list[Forgotten] = []
        self.denied: list[Denied] = []
        self.set_back: defaultdict[str, list[Interval]] = defaultdict(list)
        self.closed_early: set[tuple[str, str]] = set()
        self._ground = ground
        self._clients = clients
        self._seed = seed
        self._set_backs: dict[int, SetBack] = {}  # what was tried is gone on with
        self._hanging: dict[int, Hanging] = {}
        self._ageing: dict[int, ageing.AgeOut] = {}
        self._outside: dict[str, list[dict[str, Any]]] = {
            name: [] for name in (*OUTSIDERS, *WEBHOOKS)
        }

    async def run(self, plan: list[Fault]) -> None:
        """Let each fault strike at its time; returns when the last one is over, and was watched."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as strikes:
            for number, fault in enumerate(plan):
                await asyncio.sleep(began + fault.at - time.monotonic())
                strikes.create_task(self._strike(number, fault))
                strikes.create_task(self._watch(fault))

    async def heal(self) -> None:
        """Take back everything that could still be in force."""
        for link in self._ground.links.values():
            link.heal()
        for keeper in self._ground.supervisor.keepers.values():
            keeper.send(signal.SIGCONT)
        for faults in self._outside.values():
            faults.clear()
        await self._tell_outsiders()

    async def _strike(self, number: int, fault: Fault) -> None:
        act = self._acts()[fault.kind]
        reason = ""
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up:
            try:
                at = time.time()
                detail = await act(number, fault)
            except FAILURES as failure:
                reason = repr(failure)
                await asyncio.sleep(0.5)
            else:
                loses = KINDS[fault.kind].loses
                until = time.time()
                self.struck.append(
                    Struck(fault.kind, fault.target, at, until, loses, str(detail or ""))
                )
                return
        self.failed.append(f"{fault.kind} {fault.target}: {reason}")

    def _acts(self) -> dict[str, Callable[[int, Fault], Awaitable[object]]]:
        return {
            **dict.fromkeys(("service killed", "broker killed", "database killed"), self._kill),
            **dict.fromkeys(
                ("service terminated", "broker terminated", "database terminated"),
                self._terminate,
            ),
            **dict.fromkeys(("service frozen", "broker frozen", "database frozen"), self._freeze),
            **dict.fromkeys(
                ("connection slow", "connection dropped", "connection half-open"), self._disturb
            ),
            **dict.fromkeys(OUTSIDE, self._outsider),
            **dict.fromkeys(("messages duplicated", "messages reordered"), self._repeat),
            **dict.fromkeys(database.ALTERED, self._alter),
            "database locked": self._lock,
            **dict.fromkeys(("database set back", "server set back"), self._set_back),
            "transaction hangs": self._hang,
            **dict.fromkeys(DIALS, self._turn),
            "consumer deleted": self._delete,
            "stream purged": self._purge,
            **dict.fromkeys(broker.LIMITS, self._fill),
            "filter narrowed": self._narrow,
            "message aged out": self._age_out,
            "broker wiped": self._wipe,
            "service held": self._hold,
            "reader held, broker wiped": self._hold_and_wipe,
            **dict.fromkeys(POISON, self._poison),
            "poison: undecodable": self._nonsense,
            "poison: unknown version": self._nonsense,
        }

    async def _kill(self, _: int, fault: Fault) -> None:
        self._ground.supervisor[fault.target].send(signal.SIGKILL)

    async def _terminate(self, _: int, fault: Fault) -> None:
        keeper = self._ground.supervisor[fault.target]
        keeper.send(keeper.spec.stop_signal)

    async def _freeze(self, _: int, fault: Fault) -> None:
        frozen = _family(self._ground.supervisor[fault.target].pid)
        _signal(frozen, signal.SIGSTOP)
        await asyncio.sleep(fault.duration)
        _signal(frozen, signal.SIGCONT)

    async def _disturb(self, _: int, fault: Fault) -> None:
        link = self._ground.links[fault.target]
        match fault.kind:
            case "connection slow":
                link.delay = SLOW
            case "connection half-open":
                link.silence()
            case _:
                link.drop()
        await asyncio.sleep(fault.duration)
        link.heal()

    async def _alter(self, _: int, fault: Fault) -> None:
        await database.altered(self._url("postgres"), fault.target, fault.kind, fault.duration)

    async def _lock(self, _: int, fault: Fault) -> None:
        await database.locked(self._url(fault.target), fault.duration)

    async def _set_back(self, number: int, fault: Fault) -> str:
        names = DATABASES if fault.target == "postgres" else (fault.target,)
        new = SetBack(self._url("postgres"), names, number)
        back = self._set_backs.setdefault(number, new)
        await back.copy()
        await asyncio.sleep(fault.duration)
        give_up = time.monotonic() + IDLE_S
        while not await back.is_ahead() and time.monotonic() < give_up:
            await asyncio.sleep(0.5)
        await back.swap()
        forgotten, denied = await back.forgotten(), await back.denied()
        self.forgotten += forgotten
        self.denied += denied
        for name in names:
            self.set_back[name].append(back.interval)
        return f"{len(forgotten)} forgotten, {len(denied)} denied"

    async def _hang(self, number: int, fault: Fault) -> str:
        key = f"hangs-{self._seed}-{number}"
        hangs = self._hanging.setdefault(number, Hanging(self._url(fault.target), key))
        await hangs.begin()
        await asyncio.sleep(max(0, hangs.since + fault.duration - time.time()))
        self.closed_early |= {(str(hangs.order), each) for each in await hangs.closed()}
        await hangs.end()
        self._clients.told(key, str(hangs.order))
        return str(hangs.order)

    async def _turn(self, _: int, fault: Fault) -> None:
        name, value = DIALS[fault.kind]
        dial = Dial(self._ground.settings.state, name, fault.target)
        dial.value = value
        try:
            await asyncio.sleep(fault.duration)
        finally:
            dial.value = 0

    async def _watch(self, fault: Fault) -> None:
        """Keep what a witness notices of a fault that nobody may notice."""
        if (witness := witness_of(fault, self._ground.facts)) is not None:
            bad = tuple(await witness.watch(fault.duration))
            self.complaints.append(Complaint(fault.kind, fault.target, witness, bad))

    async def _outsider(self, _: int, fault: Fault) -> None:
        rates = OUTSIDE[fault.kind]
        self._outside[fault.target].append(rates)
        await self._tell_outsiders()
        await asyncio.sleep(fault.duration)
        if rates in self._outside[fault.target]:
            self._outside[fault.target].remove(rates)
        await self._tell_outsiders()

    async def _tell_outsiders(self) -> None:
        """The latest fault of each outsider is in force."""
        latest = {name: faults[-1] for name, faults in self._outside.items() if faults}
        faults = {"seed": self._seed, **latest}
        async with aiohttp.ClientSession() as session:
            for name in ("sandbox", "sandbox-2"):
                url = f"{self._ground.facts.url(name)}/faults"
                try:
                    async with session.put(url, json=faults) as answer:
                        answer.raise_for_status()
                except (aiohttp.ClientError, OSError) as gone:
                    log.info("a sandbox that is away has no faults", name=name, error=str(gone))

    async def _repeat(self, number: int, fault: Fault) -> int:
        shuffled = Random(f"{self._seed}:{number}") if fault.kind == "messages reordered" else None
        async with broker.connected(self._broker) as client:
            return await broker.repeat(client, fault.target, shuffled)

    async def _delete(self, _: int, fault: Fault) -> None:
        async with broker.connected(self._broker) as client:
            await broker.delete_consumer(client, fault.target)

    async def _purge(self, _: int, fault: Fault) -> int:
        async with broker.connected(self._broker) as client:
            return await broker.purge(client, fault.target)

    async def _fill(self, _: int, fault: Fault) -> None:
        async with broker.connected(self._broker) as client:
            await broker.fill(client, fault.target, fault.kind)
            await asyncio.sleep(fault.duration)
            await broker.unfill(client, fault.target, fault.kind)

    async def _narrow(self, __: int, fault: Fault) -> str:
        """Nobody puts the filter right meanwhile; it is over when the filter is right again."""
        durable, _, name = fault.target.partition(" ")
        async with self._ground.reconciling:
            filters = await broker.filters_with(self._broker, durable, name)
            with suppress(*FAILURES):  # in doubt it is done
                await broker.narrow(self._broker, durable, name)
            await self._while_it_is_there(durable, fault.duration)
            with suppress(*FAILURES):  # else whoever declares it does
                await broker.filter_by(self._broker, durable, filters)
        await _insisted(partial(broker.is_filtered_by, self._broker, durable, filters))
        return next(each for each in filters if broker.is_of(each, name)).rpartition(".")[0]

    async def _while_it_is_there(self, durable: str, seconds: float) -> None:
        """Return sooner if the durable has gone: it has to be made again, and so have others."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 0.5))
            with suppress(*FAILURES):
                if not await broker.is_there(self._broker, durable):
                    return

    async def _age_out(self, number: int, fault: Fault) -> str:
        """What is said while a reader is down is gone before it is back."""
        reader = Random(f"{self._seed}:{number}").choice(ageing.readers(fault.target))
        aged = self._ageing.setdefault(number, ageing.AgeOut(fault.target))
        async with held(self._replicas(reader)), broker.connected(self._broker) as client:
            await asyncio.sleep(fault.duration)
            count = await aged.strike(client)
        return f"{count} messages, while {reader} was down"

    def _replicas(self, service: str) -> list[Keeper]:
        keepers = self._ground.supervisor.keepers
        return [keeper for name, keeper in keepers.items() if name.removesuffix("-2") == service]

    async def _wipe(self, _: int, __: Fault) -> None:
        async with held([self._ground.supervisor["nats"]], within=0):
            shutil.rmtree(self._ground.settings.state / "nats" / "jetstream", ignore_errors=True)

    async def _hold(self, _: int, fault: Fault) -> None:
        async with held(self._replicas(fault.target)):
            await asyncio.sleep(fault.duration)

    async def _hold_and_wipe(self, number: int, fault: Fault) -> None:
        """What is said while a reader is down is lost; the broker returns before the reader."""
        async with held(self._replicas(fault.target)):
            await asyncio.sleep(fault.duration)
            at = time.time()
            await self._wipe(number, fault)
            self.struck.append(Struck("broker wiped", "nats", at, time.time(), loses=True))
            await _insisted(partial(broker.answers, self._broker))

    async def _poison(self, number: int, fault: Fault) -> str:
        token, reason = POISON[fault.kind]
        order = await self._clients.poisoned(f"tok_poison_{token}", f"{self._seed}-{number}")
        self.poison.append(Poison(fault.kind, order, reason))
        return order

    async def _nonsense(self, _: int, fault: Fault) -> str:
        undecodable = fault.kind == "poison: undecodable"
        async with broker.connected(self._broker) as client:
            version, body = (1, b'{"order_id": ') if undecodable else (99, b"{}")
            about = await broker.publish_nonsense(client, version, body)
        reason, readers = ("schema" if undecodable else None), broker.readers_of_orders()
        self.poison.append(Poison(fault.kind, about, reason, readers, time.time()))
        return about

    def _url(self, name: str) -> str:
        """A database as its server's superuser."""
        return self._ground.facts.database("postgres", name)

    @property
    def _broker(self) -> str:
        return self._ground.facts.url("nats", "nats")


async def _insisted(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask until the answer is neither a failure nor false; raise the last failure."""
    failure: BaseException = TimeoutError(f"{ask} is false")
    give_up = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up:
        try:
            if answer := await ask():
                return answer
        except FAILURES as failed:
            failure = failed
        await asyncio.sleep(0.1)
    raise failure


def _family(pid: int | None) -> list[psutil.Process]:
    """A process and its children: a PostgreSQL serves each connection by one of its own."""
    if pid is None:
        return []
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    return []


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
