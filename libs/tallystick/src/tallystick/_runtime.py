"""A service while it runs: its parts put together, started in order, drained in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import uuid4

import structlog

from tallystick._attempts import Attempts
from tallystick._broker import Broker
from tallystick._committer import Committer
from tallystick._consumer import Consumer, Inbox
from tallystick._database import Database
from tallystick._errors import BrokerUnavailable, DatabaseUnavailable, InDoubt, TallystickError
from tallystick._held import HeldLoop
from tallystick._held_rows import Held
from tallystick._holder import RELEASE, Holder
from tallystick._idempotency import purge_idempotency
from tallystick._metrics import BROKER_CONNECTED, LAG, child
from tallystick._migrate import pending
from tallystick._outbox import Outbox
from tallystick._replicas import Replicas
from tallystick._retention import purge
from tallystick._router import Router
from tallystick._settings import Settings
from tallystick._slots import Slots
from tallystick.topology import Durable, declared, lag, verify_durable

log = structlog.get_logger()

RENEW_EVERY = 1.0  # seconds
LAG_EVERY = 5.0  # seconds


class Runtime:
    """The parts of one replica of one service, and how they know each other."""

    def __init__(self, settings: Settings, router: Router, resources: Mapping[type, Any]) -> None:
        self.settings = settings
        self.router = router
        self.replica = f"{settings.replica}-{uuid4().hex[:8]}"
        self.database = Database(settings.database_url, name=router.name)
        self.broker = Broker(settings.nats_url or "", router.name)
        self.resources = {**resources, Database: self.database, Broker: self.broker}
        self._loops: list[asyncio.Task[None]] = []
        self._compose()

    def _compose(self) -> None:
        settings, router, database = self.settings, self.router, self.database
        effects = {name: b for name, b in router.bindings.items() if b.is_effect}
        slots = Slots({name: binding.concurrency for name, binding in router.bindings.items()})
        self._outbox = Outbox(database, self.broker, router.name)
        self._replicas = Replicas(database, self.replica, RELEASE, settings.gone_after_s)
        holder = Holder(router.name, self.replica, database, self._outbox)
        committer = Committer(router, self.replica, database, self._outbox, slots, self._start_held)
        attempts = Attempts(committer, database, self.resources, settings.deadline_s)
        self._held = HeldLoop(self.replica, router.bindings, database, slots, attempts, holder)
        inbox = Inbox(database)
        self._consumers = [
            Consumer(
                binding,
                self.broker,
                database,
                inbox,
                attempts,
                holder,
                self._outbox,
                settings.ack_wait_s,
                self._held.wake,
            )
            for name, binding in router.bindings.items()
            if name not in effects
        ]
        for binding in router.bindings.values():
            attempts.check(binding)
        database.commit_by(committer)

    def _start_held(self, held: Held) -> None:
        self._held.start(held)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Started: the database answers. The broker is connected to as soon as it is there."""
        await self.database.open()
        await self._replicas.renew()
        self._begin(self.database.watch(), self._outbox.mark())
        self._begin(self._held.run(), self._every(RENEW_EVERY, self._renew))
        self._begin(self._every(self.settings.sweep_s, self._sweep), self._every(3600, self._purge))
        if self.settings.nats_url:
            self._begin(self._listen())
        self._held.wake()
        log.info("started", replica=self.replica, release=RELEASE)
        try:
            yield
        finally:
            await self._drain()

    def live(self) -> tuple[bool, dict[str, Any]]:
        """Whether all loops turn; nothing but a restart mends one that has ended."""
        ended = [loop.get_name() for loop in self._loops if loop.done()]
        return not ended, {"replica": self.replica, "release": RELEASE, "ended": ended}

    async def ready(self) -> tuple[bool, dict[str, Any]]:
        """Whether HTTP can be served, and the state of what it stands on."""
        try:
            migrated = not await pending(self.database, self.router.name)
        except (DatabaseUnavailable, InDoubt):
            migrated = False
        database = self.database.available.is_set()
        broker = self.broker.connected.is_set() if self.settings.nats_url else None
        return database and migrated, {"database": database, "migrated": migrated, "broker": broker}

    def _begin(self, *loops: Awaitable[None]) -> None:
        for loop in loops:
            name = getattr(loop, "__qualname__", "loop")
            self._loops.append(asyncio.create_task(_loud(loop), name=name))

    async def _listen(self) -> None:
        await self.broker.connect()
        async with asyncio.TaskGroup() as consumers:
            for consumer in self._consumers:
                consumers.create_task(self._consume(consumer))

    async def _consume(self, consumer: Consumer) -> None:
        topology = declared(self.router, ack_wait_s=self.settings.ack_wait_s)
        durable = next(d for d in topology.durables if d.name == consumer.durable)
        await self._declared(durable)
        await consumer.start()
        async with asyncio.TaskGroup() as loops:
            loops.create_task(consumer.heartbeats())
            loops.create_task(self._every(self.settings.sweep_s, consumer.tick))
            loops.create_task(self._every(LAG_EVERY, partial(self._measure, durable)))

    async def _measure(self, durable: Durable) -> None:
        if self.broker.connected.is_set():
            child(LAG, durable.name).set(await lag(self.broker.client, durable))

    async def _declared(self, durable: Durable) -> None:
        """Waits until the durable is as it was declared; says what it waits for."""
        said = ""
        while True:
            try:
                found = [str(d) for d in await verify_durable(self.broker.client, durable)]
            except TallystickError as error:
                found = [str(error)]
            if not found:
                return
            if (now := "; ".join(found)) != said:
                said = now
                log.warning("not reading yet", durable=durable.name, differs=now)
            await asyncio.sleep(self.settings.sweep_s)

    async def _every(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        """Acts for ever; what fails is said and tried again."""
        while True:
            try:
                await act()
            except BrokerUnavailable as error:
                log.debug("not now", error=str(error))
            except (DatabaseUnavailable, InDoubt) as error:
                self._replicas.lost_database()
                log.debug("not now", error=str(error))
            except Exception:
                log.exception("a sweep failed, it is tried again", sweep=str(act))
            await asyncio.sleep(seconds)

    async def _renew(self) -> None:
        await self._replicas.renew()
        BROKER_CONNECTED.set(self.broker.connected.is_set())

    async def _sweep(self) -> None:
        await self._replicas.lapse_gone()
        await self._held.sweep()
        await self._outbox.sweep()

    async def _purge(self) -> None:
        await purge_idempotency(self.database)
        await purge(self.database)

    async def _drain(self) -> None:
        """Takes nothing more, ends what runs, publishes and marks what it committed, and leaves."""
        log.info("draining")
        for consumer in self._consumers:
            await consumer.drain()
        try:
            await self._held.drain()
            await self._outbox.drain()
            await self._replicas.leave()
        except (DatabaseUnavailable, InDoubt) as error:
            log.warning("drained without the database", error=str(error))
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self.broker.close()
        await self.database.close()


async def _loud(loop: Awaitable[None]) -> None:
    """A loop that ends by an error is a defect: said, and never without a word."""
    try:
        await loop
    except Exception:
        log.exception("a loop of the service ended")
        raise
