"""Runs a replica: starts its parts in order, and drains them in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Protocol, runtime_checkable

import structlog

from tallystick._database.kept import Kept
from tallystick._database.migrate import pending
from tallystick._database.readers import register
from tallystick._deferred.rows import Deferred
from tallystick._delivery.deadlines import LOOK_EVERY
from tallystick._http.idempotency import purge_idempotency
from tallystick._loops import Loops
from tallystick._messages.message import message_type
from tallystick._messages.router import Router
from tallystick._service.assembly import Parts
from tallystick._service.purging import forget_account, purge
from tallystick._settings import Settings
from tallystick._telemetry import metrics
from tallystick._telemetry.release import LIBRARY, release_of
from tallystick.errors import DatabaseBusy, DatabaseUnavailable, InDoubt, InvalidSettings
from tallystick.limiter import Limiter
from tallystick.topology import EVENTS_KEPT

log = structlog.get_logger()

RENEWALS = 5  # within the time after which a replica counts as gone
PURGE_EVERY = 3600.0  # seconds
PARTITIONS_EVERY = 60.0
"""Seconds: a database that is restored while replicas run may have none for today."""
ORPHANS_EVERY = 60.0  # seconds


@runtime_checkable
class Stoppable(Protocol):
    """A resource that is called when its service begins to stop."""

    def stopping(self) -> None:
        """End requests that only wait."""
        ...


def check_broker(settings: Settings, router: Router) -> None:
    """Raise InvalidSettings if declarations need a broker and the settings name none."""
    roles = settings.roles(router.roles)
    takers = [b.durable for b in router.bindings.values() if b.kind != "effect" and b.role in roles]
    takers += [name for name, reply in router.replies.items() if reply.role in roles]
    takers += [message_type(cls).ce_type for cls in (*router.requests, *router.history)]
    if takers and not settings.nats_url:
        variable = settings.variable("nats_url")
        needed_for = ", ".join(takers)
        raise InvalidSettings(f"{router.name}: {variable} is missing: set it for {needed_for}")


def check_kept(name: str, settings: Settings, kept: Kept) -> None:
    """Raise InvalidSettings if the outbox forgets what a stream still has."""
    if kept.outbox < EVENTS_KEPT:
        variable = settings.variable("keep_days")
        raise InvalidSettings(
            f"{name}: {variable} is {settings.keep_days:g}, but streams keep messages"
            f" for {EVENTS_KEPT.days} days and the outbox two days less than the inbox: it must be"
            f" at least {EVENTS_KEPT.days + 2}"
        )


class Runtime:
    """Runs the parts of a replica."""

    def __init__(self, parts: Parts, given: Sequence[AbstractAsyncContextManager[Any]]) -> None:
        self.parts = parts
        self._given = given
        self._loops = Loops()

    @property
    def resources(self) -> Mapping[type, Any]:
        """The resources of handlers and routes by their type."""
        return self.parts.resources

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the replica; it starts when the database answers, with or without the broker.

        Raises InvalidSettings if a broker is needed and not named, or too little is kept.
        """
        parts = self.parts
        check_broker(parts.settings, parts.router)
        check_kept(parts.router.name, parts.settings, parts.kept)
        await self._open()
        self._begin_loops()
        if parts.settings.nats_url:
            self._loops.begin(parts.listening.run)
            period_s, account = parts.settings.account_period_s, parts.account
            self._loops.every(period_s, account.keeping.round, account.looking.round)
        log.info("service started", **self._identity(), roles=sorted(parts.roles))
        try:
            yield
        finally:
            await self._drain()

    async def _open(self) -> None:
        """Wait until the database answers and is migrated; check that it is this service's own."""
        parts = self.parts
        await parts.postgres.open()
        try:
            await self._until_migrated()
            await parts.retention.prepare()
            await register(parts.postgres, parts.readers)
            await parts.ownership.open()
            await parts.replicas.renew()
        except BaseException:
            await parts.postgres.close()
            raise

    def _begin_loops(self) -> None:
        parts, every = self.parts, self._loops.every
        sweep_s = parts.settings.sweep_s
        self._loops.begin(parts.postgres.watch, parts.outbox.mark, parts.deferred.run)
        every(parts.settings.replica_timeout_s / RENEWALS, self._renew)
        every(LOOK_EVERY, parts.attempts.deadlines.enforce)
        every(sweep_s, parts.replicas.expire_leases, parts.deferred.sweep, parts.outbox.sweep)
        every(sweep_s, parts.quarantine.round)
        every(PURGE_EVERY, self._purge)
        every(
            min(PARTITIONS_EVERY, parts.retention.span.total_seconds() / 2), parts.retention.round
        )
        every(ORPHANS_EVERY, parts.orphans.round)
        for act in parts.router.periodic:
            if act.role in parts.roles:
                given = [parts.resources[kind] for kind in act.resources]
                every(act.seconds, partial(act.handler, *given))

    def stopping(self) -> None:
        """Call `stopping()` of the resources that have it, before running requests are awaited."""
        for resource in self._given:
            if isinstance(resource, Stoppable):
                resource.stopping()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Run only what attempts need: in the child process for quarantined messages."""
        async with AsyncExitStack() as stack:
            for resource in self._given:
                await stack.enter_async_context(resource)
            stack.push_async_callback(self.parts.postgres.close)
            self.parts.slots.closed = True  # effects that an attempt stores are for the replicas
            yield

    async def attempt(self, deferred: Deferred) -> None:
        """Make one attempt at a deferred message; raises DatabaseUnavailable or InDoubt."""
        binding = self.parts.router.bindings[deferred.inbound.durable]
        await self.parts.deferred.attempt(binding, deferred)

    def live(self) -> tuple[bool, dict[str, Any]]:
        """Return whether all loops run, and details; only a restart brings back one that ended."""
        ended = self._loops.ended
        return not ended, {**self._identity(), "ended": ended}

    def _identity(self) -> dict[str, str]:
        """Return the replica's name, its release and the library's version."""
        release = release_of(self.parts.router.name)
        return {"replica": self.parts.replica, "release": release, "library": LIBRARY}

    async def ready(self) -> tuple[bool, dict[str, Any]]:
        """Return whether HTTP can be served, and the state of database and broker."""
        parts, migrated = self.parts, False
        try:
            if parts.postgres.available.is_set():
                migrated = not await pending(parts.postgres.vital, parts.router.name)
        except (DatabaseBusy, DatabaseUnavailable, InDoubt) as error:
            log.info("service not ready", reason=str(error))
        database = parts.postgres.available.is_set()
        broker = parts.connection.connected.is_set() if parts.settings.nats_url else None
        differ = parts.listening.differs if parts.settings.nats_url else {}
        refused = parts.ownership.refused
        state = {"database": database, "migrated": migrated, "broker": broker, "durables": differ}
        return database and migrated and not refused, state | {"refused": refused}

    async def _until_migrated(self) -> None:
        """Wait until the database is migrated, and log it."""
        name, limiter = self.parts.router.name, Limiter()
        while await self._is_behind():
            if limiter.is_due(name):
                log.info("migration awaited", waiting_for=f"tally migrate {name}")
            await asyncio.sleep(2 * self.parts.settings.sweep_s)

    async def _is_behind(self) -> bool:
        """Return whether a migration is missing; wait for a database that is away."""
        parts = self.parts
        while True:
            try:
                return await pending(parts.postgres.vital, parts.router.name)
            except (DatabaseUnavailable, InDoubt):
                await parts.postgres.open()

    async def _renew(self) -> None:
        if self.parts.settings.nats_url:
            broker = self.parts.connection
            connected = metrics.child(metrics.BROKER_CONNECTED, broker.address)
            connected.set(broker.connected.is_set())
        try:
            await self.parts.replicas.renew()
        except (DatabaseUnavailable, InDoubt):
            self.parts.replicas.lost_database()
            raise

    async def _purge(self) -> None:
        kept = self.parts.kept
        await purge_idempotency(self.parts.postgres, kept.time)
        await purge(self.parts.postgres, kept.time)
        await forget_account(self.parts.postgres, kept)

    async def _drain(self) -> None:
        """Take nothing new, end what runs, publish and mark what was committed, and leave."""
        log.info("service draining")
        parts = self.parts
        parts.slots.closed = True
        await parts.listening.drain()
        try:
            await parts.deferred.drain()
            await parts.outbox.drain()
            await parts.replicas.leave()
        except (DatabaseUnavailable, InDoubt) as error:
            log.warning("drain incomplete", error=str(error))
        await self._loops.stop()
        await parts.quarantine.close()
        await parts.connection.close()
        await parts.postgres.close()
