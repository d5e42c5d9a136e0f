"""A service while it runs: its parts put together, started in order, drained in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Protocol, runtime_checkable
from uuid import uuid4

import structlog

from tallystick import _metrics
from tallystick._admission import Admission
from tallystick._attempts import Attempts
from tallystick._binding import EVENTS, Binding
from tallystick._broker import Broker
from tallystick._claims import Claims
from tallystick._committer import Committer
from tallystick._consumer import Consumer, Inbox
from tallystick._database import Database
from tallystick._deadlines import LOOK_EVERY
from tallystick._errors import DatabaseUnavailable, InDoubt
from tallystick._held import HeldLoop
from tallystick._held_rows import Held
from tallystick._holder import RELEASE, Holder
from tallystick._idempotency import purge_idempotency
from tallystick._isolation import Isolation
from tallystick._listening import Listening
from tallystick._loops import Loops
from tallystick._migrate import pending
from tallystick._outbox import Outbox
from tallystick._own_messages import OwnMessages
from tallystick._protocol import suspect_lapses
from tallystick._reconciler import Reconciler
from tallystick._replicas import Replicas
from tallystick._replying import Replying
from tallystick._retention import purge
from tallystick._router import Router
from tallystick._settings import Settings
from tallystick._slots import Slots
from tallystick._suspects import Suspects
from tallystick.topology import declared

log = structlog.get_logger()

RENEWALS = 5  # before a replica that cannot renew is gone
PURGE_EVERY = 3600.0  # seconds


@runtime_checkable
class Stoppable(Protocol):
    """A resource that is told when its service begins to stop."""

    def stopping(self) -> None:
        """Let go of requests that only wait."""
        ...


class Runtime:
    """The parts of one replica of one service, and how they know each other."""

    def __init__(
        self, settings: Settings, router: Router, given: Sequence[AbstractAsyncContextManager[Any]]
    ) -> None:
        self.settings = settings
        self.router = router
        self.roles = settings.roles(router.roles)
        self.replica = f"{settings.replica}-{uuid4().hex[:8]}"
        self.database = Database(settings.database_url, name=router.name)
        self.broker = Broker(settings.nats_url or "", router.name, router)
        self._given = given
        self.resources: dict[type, Any] = {type(resource): resource for resource in given}
        self.resources |= {type(settings): settings}
        self.resources |= {Database: self.database, Broker: self.broker}
        self._loops = Loops()
        self._compose()

    def _compose(self) -> None:
        settings, router, database = self.settings, self.router, self.database
        mine = {name: b for name, b in router.bindings.items() if b.role in self.roles}
        _metrics.begin(mine)
        self._slots = Slots(
            {name: binding.concurrency for name, binding in mine.items()},
            {name: Admission(b.rate, b.breaker) for name, b in mine.items() if b.kind == "effect"},
        )
        self._outbox = Outbox(database, self.broker, router.name)
        self._replicas = Replicas(database, self.replica, RELEASE, settings.gone_after_s)
        self._holder = Holder(router.name, self.replica, database, self._outbox)
        committer = Committer(
            router, self.replica, database, self._outbox, self._slots, self._start_held
        )
        self._attempts = Attempts(committer, database, self.resources, settings.deadline_s)
        claims = Claims(database, self.replica)
        isolation = Isolation(router.name, settings)
        lapses = suspect_lapses(alone=isolation.possible)
        self._held = HeldLoop(
            claims, mine, database, self._slots, self._attempts, self._holder, lapses
        )
        self._suspects = Suspects(
            claims,
            database,
            mine,
            self._slots,
            self._holder,
            isolation,
            lapses,
            settings.deadline_s,
        )
        self._listening = self._listens(mine)
        for declaration in router.declarations:
            self._attempts.check(declaration)
        database.commit_by(committer)

    def _listens(self, mine: Mapping[str, Binding]) -> Listening:
        settings, router, inbox = self.settings, self.router, Inbox(self.database)
        topology = declared(router, ack_wait_s=settings.ack_wait_s)
        read = {durable.name: durable for durable in topology.durables if durable.name in mine}
        own = [
            (mine[name], durable)
            for name, durable in read.items()
            if mine[name].domain == router.name and not mine[name].idempotent
        ]
        self._own = OwnMessages(router.name, self.database, self.broker, self._outbox, own)
        consumers = [(self._consumer(mine[name], inbox), read[name]) for name in read]
        replies = [reply for reply in router.replies.values() if reply.role in self.roles]
        replying = Replying(router.name, self.broker, replies, self.resources)
        return Listening(self.broker, consumers, replying, settings.sweep_s)

    def _consumer(self, binding: Binding, inbox: Inbox) -> Consumer:
        return Consumer(
            binding,
            self.broker,
            self.database,
            inbox,
            self._attempts,
            self._holder,
            self._outbox,
            self.settings.ack_wait_s,
            self._held.wake,
        )

    def _start_held(self, held: Held) -> None:
        self._held.start(held)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Started: the database answers. The broker is connected to as soon as it is there."""
        settings = self.settings
        await self.database.open()
        await self._until_migrated()
        await self._replicas.renew()
        self._loops.begin(self.database.watch(), self._outbox.mark(), self._held.run())
        self._loops.every(settings.gone_after_s / RENEWALS, self._renew)
        self._loops.every(LOOK_EVERY, self._attempts.deadlines.enforce)
        sweeps = (self._replicas.lapse_gone, self._held.sweep, self._outbox.sweep)
        self._loops.every(settings.sweep_s, *sweeps, self._suspects.round)
        self._loops.every(PURGE_EVERY, self._purge)
        if self.router.unfinished and EVENTS in self.roles:
            rounds = Reconciler(
                self.database, self._outbox, self.router.unfinished, settings.reconcile_after_s
            )
            self._loops.every(settings.sweep_s, rounds.round)
        for act in self.router.periodic:
            if act.role in self.roles:
                given = [self.resources[kind] for kind in act.resources]
                self._loops.every(act.seconds, partial(act.handler, *given))
        if settings.nats_url:
            self._loops.begin(self._listening.run())
            self._loops.every(settings.reconcile_after_s, self._own.round)
        log.info("started", replica=self.replica, release=RELEASE, roles=sorted(self.roles))
        try:
            yield
        finally:
            await self._drain()

    def stopping(self) -> None:
        """Tells the resources that want to know, before the requests under way are waited for."""
        for resource in self._given:
            if isinstance(resource, Stoppable):
                resource.stopping()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Ready for one attempt after another, and nothing else: the process of suspects."""
        async with AsyncExitStack() as stack:
            for resource in self._given:
                await stack.enter_async_context(resource)
            stack.push_async_callback(self.database.close)
            self._slots.closed = True  # what a unit stores is for the replicas
            yield

    async def attempt(self, held: Held) -> None:
        """One attempt at a held message; raises DatabaseUnavailable or InDoubt."""
        await self._held.attempt(self.router.bindings[held.inbound.durable], held)

    def live(self) -> tuple[bool, dict[str, Any]]:
        """Whether all loops turn; nothing but a restart mends one that has ended."""
        ended = self._loops.ended
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

    async def _until_migrated(self) -> None:
        """Waits for whoever migrates the database, and says so."""
        name = self.router.name
        while await pending(self.database, name):
            log.warning("the database is not migrated", waiting_for=f"tally migrate {name}")
            await asyncio.sleep(2 * self.settings.sweep_s)

    async def _renew(self) -> None:
        _metrics.BROKER_CONNECTED.set(self.broker.connected.is_set())
        try:
            await self._replicas.renew()
        except (DatabaseUnavailable, InDoubt):
            self._replicas.lost_database()
            raise

    async def _purge(self) -> None:
        await purge_idempotency(self.database)
        await purge(self.database)

    async def _drain(self) -> None:
        """Takes nothing more, ends what runs, publishes and marks what it committed, and leaves."""
        log.info("draining")
        self._slots.closed = True
        await self._listening.drain()
        try:
            await self._held.drain()
            await self._outbox.drain()
            await self._replicas.leave()
        except (DatabaseUnavailable, InDoubt) as error:
            log.warning("drained without the database", error=str(error))
        await self._loops.stop()
        await self._suspects.close()
        await self.broker.close()
        await self.database.close()
