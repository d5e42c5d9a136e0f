"""Makes the parts of one replica of a service and connects them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, get_args
from uuid import uuid4

from tallystick._account.account import Account
from tallystick._account.keeping import Keeping
from tallystick._account.leases import WorkLeases
from tallystick._account.looking import Looking, Read
from tallystick._account.memory import Memory
from tallystick._account.outbox_port import SourceOutbox
from tallystick._account.republishing import T
from tallystick._account.serving import Serving
from tallystick._account.spans import check_period
from tallystick._broker.broker import Broker
from tallystick._broker.connection import Connection
from tallystick._database.kept import Kept
from tallystick._database.postgres import Limits, Postgres
from tallystick._database.readers import Reader
from tallystick._database.retention import Retention
from tallystick._deferred.admission import Admission
from tallystick._deferred.agenda import Agenda
from tallystick._deferred.isolation import Isolation
from tallystick._deferred.leases import Leases
from tallystick._deferred.orphans import Orphans
from tallystick._deferred.outcomes import Outcomes
from tallystick._deferred.protocol import quarantine_after
from tallystick._deferred.replicas import Replicas
from tallystick._deferred.slots import Slots
from tallystick._delivery.attempts import Attempts
from tallystick._delivery.committer import Committer
from tallystick._delivery.consumer import Consumer
from tallystick._delivery.database import Database
from tallystick._delivery.deferred_loop import DeferredLoop
from tallystick._delivery.inbox import Inbox
from tallystick._delivery.listening import Listening
from tallystick._delivery.ownership import CHECK_EVERY_S, Ownership
from tallystick._delivery.quarantine import Quarantine
from tallystick._delivery.replying import Replying
from tallystick._http.idempotency import Commits
from tallystick._messages.binding import Binding
from tallystick._messages.identity import FOREIGN
from tallystick._messages.message import message_type
from tallystick._messages.retry import Reason
from tallystick._messages.router import Router
from tallystick._outbox.outbox import Outbox
from tallystick._settings import Settings
from tallystick._telemetry import metrics
from tallystick._telemetry.release import release_of
from tallystick.errors import DeclarationError
from tallystick.topology import Durable, declared


@dataclass(frozen=True)
class Parts:
    """All parts of a replica."""

    settings: Settings
    router: Router
    roles: frozenset[str]
    replica: str
    resources: Mapping[type, Any]
    postgres: Postgres
    database: Database
    connection: Connection
    broker: Broker
    outbox: Outbox
    replicas: Replicas
    slots: Slots
    attempts: Attempts
    deferred: DeferredLoop
    quarantine: Quarantine
    listening: Listening
    orphans: Orphans
    ownership: Ownership
    kept: Kept
    retention: Retention
    readers: tuple[Reader, ...]
    account: Account


def assemble(
    settings: Settings, router: Router, given: Sequence[AbstractAsyncContextManager[Any]]
) -> Parts:
    """Make the parts of a replica; raises DeclarationError for a resource that is not given."""
    return _Assembly(settings, router, given).parts()


def _check_name(settings: Settings, router: Router) -> None:
    """Raise DeclarationError unless router and settings have one name, by which all is found."""
    prefix = settings.service()
    if prefix and prefix != router.name:
        raise DeclarationError(
            f'Router("{router.name}") and {settings.variable("")} name two services: give the'
            f" router, the prefix of the settings and the package one name"
        )


class _Assembly:
    """Makes each part once, and before the parts that use it."""

    def __init__(
        self, settings: Settings, router: Router, given: Sequence[AbstractAsyncContextManager[Any]]
    ) -> None:
        _check_name(settings, router)
        self.settings = settings
        self.router = router
        self.roles = settings.roles(router.roles)
        self.replica = f"{settings.replica}-{uuid4().hex[:8]}"
        self.bindings = {n: b for n, b in router.bindings.items() if b.role in self.roles}
        metrics.begin(self.bindings, get_args(Reason))
        self.postgres = Postgres(settings.database_url, name=router.name, limits=_limits(settings))
        self.connection = Connection(settings.nats_url or "", router.name, settings.data_path)
        self.ownership = self._ownership()
        self.broker = Broker(self.connection, router)
        self.outbox = Outbox(self.postgres, self.connection, router.name)
        self.kept = Kept(timedelta(days=settings.keep_days))
        self.replicas = self._replicas()
        self.agenda = Agenda()
        self.slots = self._slots()
        self.committer = Committer(
            router,
            self.replica,
            self.postgres,
            self.outbox,
            self.slots,
            self.agenda,
            self.replicas.renew,
        )
        self.database = Database(self.postgres, self.committer, self.kept.time)
        self.resources = self._resources(given)
        self.attempts = self._attempts()
        self.outcomes = Outcomes(router.name, self.replica, self.postgres, self.outbox, self.kept)

    def parts(self) -> Parts:
        leases = Leases(self.postgres, self.replica)
        isolation = Isolation(self.router.name, self.settings)
        expired_leases = quarantine_after(alone=isolation.possible)
        topology = declared(self.router, ack_wait_s=self.settings.ack_wait_s)
        read = {d.name: d for d in topology.durables if d.name in self.bindings}
        account = self._account(read, topology.refilled)
        return Parts(
            settings=self.settings,
            router=self.router,
            roles=self.roles,
            replica=self.replica,
            resources=self.resources,
            postgres=self.postgres,
            database=self.database,
            connection=self.connection,
            broker=self.broker,
            outbox=self.outbox,
            replicas=self.replicas,
            slots=self.slots,
            attempts=self.attempts,
            deferred=DeferredLoop(
                leases,
                self.bindings,
                self.postgres,
                self.slots,
                self.agenda,
                self.attempts,
                self.outcomes,
                expired_leases,
            ),
            quarantine=Quarantine(
                leases,
                self.postgres,
                self.bindings,
                self.slots,
                self.outcomes,
                isolation,
                expired_leases,
                self.settings.deadline_s,
            ),
            listening=self._listening(read, account.serving),
            orphans=Orphans(self.postgres, self.router.bindings),
            ownership=self.ownership,
            kept=self.kept,
            retention=Retention(self.postgres.target, self.kept, self.settings.keep_max_bytes),
            readers=tuple(self._readers()),
            account=account,
        )

    def _replicas(self) -> Replicas:
        def set_ahead_ms(ahead_ms: int) -> None:
            self.outbox.ahead_ms = ahead_ms

        return Replicas(
            self.postgres.vital,
            self.replica,
            release_of(self.router.name),
            self.settings.replica_timeout_s,
            {name: sorted(types_of(binding)) for name, binding in self.router.bindings.items()},
            set_ahead_ms,
            self.kept,
        )

    def _readers(self) -> Iterator[Reader]:
        """Yield what each durable reads: its own source, and foreign messages."""
        for binding in self.router.bindings.values():
            if binding.kind != "effect":
                yield Reader(binding.durable, binding.domain)
                yield Reader(binding.durable, FOREIGN)

    def _slots(self) -> Slots:
        limits = {name: binding.concurrency for name, binding in self.bindings.items()}
        admissions = {
            name: Admission(binding.rate, binding.breaker)
            for name, binding in self.bindings.items()
            if binding.kind == "effect"
        }
        return Slots(limits, admissions, self.agenda)

    def _resources(self, given: Sequence[AbstractAsyncContextManager[Any]]) -> dict[type, Any]:
        """Return the resources of handlers and routes by their type."""
        ours = {Database: self.database, Commits: self.database, Broker: self.broker}
        found: dict[type, Any] = {type(self.settings): self.settings} | ours
        for one in given:
            if not isinstance(one, AbstractAsyncContextManager):
                raise DeclarationError(
                    f"a {type(one).__name__} is not a resource: it must be an async context manager"
                )
            if type(one) in found:
                name = type(one).__name__
                raise DeclarationError(
                    f"there are two resources of the class {name}: give each a class of its own"
                )
            found[type(one)] = one
        return found

    def _attempts(self) -> Attempts:
        attempts = Attempts(
            self.committer,
            self.postgres,
            self.database,
            self.resources,
            self.settings.deadline_s,
        )
        for declaration in self.router.declarations:
            attempts.check(declaration)
        return attempts

    def _account(self, read: Mapping[str, Durable], streams: Sequence[str]) -> Account:
        period_s = self.settings.account_period_s
        outbox = SourceOutbox(self.postgres, self.outbox)
        leases = WorkLeases(self.postgres, self.replica, period_s)
        period = check_period(round(period_s * 1000))
        return Account(
            Looking(
                self.router.name,
                self.postgres,
                self.connection,
                leases,
                list(self._account_reads(read, min(T, period))),
                self.replicas.declared,
                self.replicas.now_ms,
                self.kept,
            ),
            Keeping(outbox, leases, period),
            Serving(
                self.router.name,
                self.connection,
                outbox,
                lambda: self.ownership.owner,
                streams,
                period,
                min(T, period),
            ),
        )

    def _account_reads(self, read: Mapping[str, Durable], after: int) -> Iterator[Read]:
        """Yield the durables whose messages are in the inbox: those of idempotent ones are not."""
        for name, durable in read.items():
            binding = self.bindings[name]
            if not binding.idempotent:
                yield Read(durable, binding.domain, types_of(binding), Memory(after))

    def _listening(self, read: Mapping[str, Durable], serving: Serving) -> Listening:
        inbox = Inbox(self.postgres)
        consumers = [
            (self._consumer(self.bindings[name], inbox), durable) for name, durable in read.items()
        ]
        replies = [reply for reply in self.router.replies.values() if reply.role in self.roles]
        replying = Replying(self.router.name, self.connection, replies, self.resources)
        sweep_s = self.settings.sweep_s
        return Listening(self.connection, consumers, replying, serving, sweep_s, self.ownership)

    def _ownership(self) -> Ownership:
        return Ownership(
            self.router.name,
            self.replica,
            self.postgres,
            self.connection,
            take_over=self.settings.take_over,
            variable=self.settings.variable("take_over"),
            check_every_s=CHECK_EVERY_S,
        )

    def _consumer(self, binding: Binding, inbox: Inbox) -> Consumer:
        return Consumer(
            binding,
            self.connection,
            self.postgres,
            inbox,
            self.attempts,
            self.outcomes,
            self.outbox,
            self.settings.ack_wait_s,
            self.agenda,
            self.kept,
        )


def types_of(binding: Binding) -> frozenset[str]:
    """Return the types that a binding reads, as the outbox of their source names them."""
    return frozenset(message_type(cls).template for cls in binding.types)


def _limits(settings: Settings) -> Limits:
    return Limits(
        queries=settings.database_queries,
        transactions=settings.database_transactions,
        statement_s=settings.statement_timeout_s,
    )
