"""Looks at each source that this service reads, again and again, in one replica at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from heapq import nsmallest
from uuid import UUID

import msgspec
import structlog

from tallystick._account import statements
from tallystick._account.broker_port import DurablePort
from tallystick._account.coverage import Since
from tallystick._account.fates import DurableState
from tallystick._account.inbox_port import ReaderInbox
from tallystick._account.leases import WorkLeases
from tallystick._account.look import look
from tallystick._account.memory import Memory
from tallystick._account.reader import Reader
from tallystick._account.report import Report, overview
from tallystick._account.running import Ports
from tallystick._account.settled import SettledSpans
from tallystick._account.source_port import Source
from tallystick._account.spans import PERIOD, ceiling, folded
from tallystick._account.sums import foldable
from tallystick._account.witnessing import Witnessing
from tallystick._broker.connection import Connection
from tallystick._database.kept import Kept
from tallystick._database.partitions import read_bounds
from tallystick._database.postgres import Postgres
from tallystick._messages.identity import reader_number
from tallystick._telemetry.metrics import (
    ACCOUNT_MISSING,
    ACCOUNT_REPUBLISHED,
    ACCOUNT_SETTLED,
    ACCOUNT_UNKNOWN,
    SET_BACK,
    SET_BACK_SINCE,
    child,
    forget,
)
from tallystick.topology import Durable

log = structlog.get_logger()

FOLD_EVERY = 60  # looks
MILLISECOND = timedelta(milliseconds=1)
WITNESS_EVERY = 6  # periods
SHOWN = 100  # missing ids

Declared = Callable[[str], Awaitable[list[frozenset[str]]]]


@dataclass
class Read:
    """One durable, the source that it reads, and what is remembered of the looks at it."""

    durable: Durable
    source: str
    types: frozenset[str]
    memory: Memory
    period: int = PERIOD
    looks: int = 0
    is_noted: bool = False
    republished: int = 0
    witnessed_at: int = 0

    @property
    def number(self) -> int:
        return reader_number(self.durable.name, self.source)


class Looking:
    """The looks of one service at what it reads."""

    def __init__(
        self,
        service: str,
        database: Postgres,
        connection: Connection,
        leases: WorkLeases,
        reads: Sequence[Read],
        declared: Declared,
        now: Callable[[], int],
        kept: Kept,
    ) -> None:
        self._kept = kept
        self._service = service
        self._database = database
        self._connection = connection
        self._leases = leases
        self._reads = reads
        self._declared = declared
        self._now = now

    async def round(self) -> None:
        """Look once at each source of which no other replica has the lease.

        What is read is noted for all before the first look, which may take long: what the broker
        loses until then is in no account.
        """
        for read in self._reads:
            if not read.is_noted and self._connection.connected.is_set():
                await self._begin(read)
        for read in self._reads:
            if not self._connection.connected.is_set():
                return
            if await self._leases.take(f"account of {read.durable.name}"):
                await self._look(read)
            else:
                self._show_nothing(read)

    async def _look(self, read: Read) -> None:
        port = self._port(read)
        declared = await self._begin(read)
        reader = await self._reader(read, await self._since(read))
        source = Source(self._connection.requests, read.source, self._service)
        ports = Ports(source, port, ReaderInbox(self._database, read.number))
        report = await ports.run(look(reader, read.memory, now=self._now(), declared=declared))
        read.memory.ended(self._now())
        await self._note(read, reader, report)
        if not report.waits_for and self._now() - read.witnessed_at >= WITNESS_EVERY * read.period:
            await self._witness(read, reader, ports)
        if read.looks % FOLD_EVERY == 0:
            await self._fold(read)
        read.looks += 1

    async def _begin(self, read: Read) -> list[frozenset[str]]:
        """Note since when types are read that are not yet; return what living replicas declare."""
        declared = await self._declared(read.durable.name)
        read.is_noted = (await self._since(read)).keys() == read.types
        if not read.is_noted and set(declared) <= {read.types}:
            await self._note_types(read, await self._port(read).durable())
        return declared

    def _port(self, read: Read) -> DurablePort:
        return DurablePort(self._connection, read.durable, read.source)

    async def _witness(self, read: Read, reader: Reader, ports: Ports) -> None:
        """Hold the stream against both sides: at the first look, then each minute."""
        now = self._now()
        if await Witnessing(self._database, read.number, reader, ports).hold(now):
            read.witnessed_at = now

    async def _since(self, read: Read) -> dict[str, Since]:
        rows = await self._database.fetch(statements.TYPES, read.number)
        return {row[0]: Since(row[1], row[2]) for row in rows}

    async def _note_types(self, read: Read, state: DurableState | None) -> None:
        """Note since when each type is read: from the first look at it, by this database."""
        if state is None or state.types != read.types:
            return
        types = sorted(read.types)
        begin = (read.number, types, state.floor + 1, self._now())
        await self._database.fetch(statements.BEGIN_READING, *begin)
        await self._database.fetch(statements.END_READING, read.number, types)

    async def _reader(self, read: Read, since: Mapping[str, Since]) -> Reader:
        number = read.number
        ((bounds,),) = await self._database.fetch(statements.KEPT_FROM, "inbox")
        named = await self._database.fetch(statements.SOURCE, number)
        return Reader(
            read.source,
            read.durable.name,
            {name: since[name] for name in read.types if name in since},
            self._judged_from(read_bounds(bounds).low if bounds else 0),
            read.period,
            UUID(str(named[0][0])) if named and named[0][0] else None,
        )

    def _judged_from(self, partitions_from: int) -> int:
        """Return since when messages are judged: those that come later are dead letters.

        It is the beginning of a day: of a part of a day that is folded, no source has closed sums.
        """
        span = self._kept.span // MILLISECOND
        by_age = ceiling(self._now() - self._kept.outbox // MILLISECOND, span)
        by_size = ceiling(self._kept.since_ms + span, span) if self._kept.since_ms else 0
        return max(partitions_from, by_age, by_size)

    async def _note(self, read: Read, reader: Reader, report: Report) -> None:
        read.period = report.period
        read.republished += report.republished
        if report.database is not None and reader.database is None:
            named = (read.number, report.database)
            await self._database.fetch(statements.NAME_SOURCE, *named)
        shown = overview(read.source, read.durable.name, report)
        lost = (each.id for finding in report.findings.values() for each in finding.lost)
        missing = [str(id_) for id_ in nsmallest(SHOWN, lost)]
        unknown = await ReaderInbox(self._database, read.number).unknown()
        more = {"missing_ids": missing, "republished": read.republished}
        text = msgspec.json.encode(msgspec.to_builtins(shown) | more).decode()
        await self._database.fetch(statements.SHOW, read.number, text)
        if report.republished:
            _log(read, report)
        labels = (read.durable.name, read.source)
        child(ACCOUNT_MISSING, *labels).set(shown.missing)
        child(ACCOUNT_UNKNOWN, *labels).set(unknown)
        child(ACCOUNT_SETTLED, *labels).set(shown.settled_until / 1000)
        child(ACCOUNT_REPUBLISHED, *labels).inc(report.republished)

    def _show_nothing(self, read: Read) -> None:
        """Leave the metrics to the replica that looks."""
        for gauge in (ACCOUNT_MISSING, ACCOUNT_UNKNOWN, ACCOUNT_SETTLED, SET_BACK, SET_BACK_SINCE):
            forget(gauge, read.durable.name, read.source)
        read.witnessed_at = 0

    async def _fold(self, read: Read) -> None:
        """Fold what is settled for good to hours and days."""
        start, into = folded(self._now(), read.period)
        inbox = ReaderInbox(self._database, read.number)
        rows = {span: each for span, each in (await inbox.settled(start)).items() if each.closed}
        settled = SettledSpans(rows)
        for whole, parts in foldable(sorted(rows), into).items():
            if (each := settled.of(whole)) is not None:
                await inbox.fold(whole, parts, each.sums)


def _log(read: Read, report: Report) -> None:
    """Log what proved that messages are lost: the oldest, its place, and where the durable was."""
    found = [(span, each) for span, each in report.findings.items() if each.lost]
    if not found:
        return
    finding = min(found, key=lambda pair: pair[0])[1]
    oldest = min(finding.lost, key=lambda each: each.id)
    durable = finding.durable
    log.warning(
        "lost messages found",
        durable=read.durable.name,
        source=read.source,
        count=report.republished,
        id=str(oldest.id),
        place=oldest.place,
        floor=durable and durable.floor,
        pending=durable and durable.pending,
        in_hand=durable and durable.in_hand,
    )
