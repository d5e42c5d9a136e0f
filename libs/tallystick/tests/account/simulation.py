"""A source, a broker and a reader in memory, which lose what real ones lose.

What they decide is the library's. Each answers a look's questions; a replica is a look that may
stop before any question. A copy of a database or a store is a backup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import blake2b
from typing import Any
from uuid import UUID

from tallystick._account import republishing, settled
from tallystick._account.answering import (
    OutboxRow,
    Source,
    ids_answer,
    plan_sums,
    sums_answer,
)
from tallystick._account.closing import Snapshot, closing
from tallystick._account.coverage import Since
from tallystick._account.fates import DurableState
from tallystick._account.look import look
from tallystick._account.memory import Memory
from tallystick._account.protocol import (
    IdsAnswer,
    IdsRequest,
    KnownAnswer,
    KnownRequest,
    RepublishAnswer,
    RepublishRequest,
    SumsAnswer,
    SumsRequest,
)
from tallystick._account.reader import Reader
from tallystick._account.report import Report
from tallystick._account.republishing import Stored
from tallystick._account.settled import SettledSpans
from tallystick._account.spans import Span, divide
from tallystick._account.steps import (
    AskIds,
    AskKnown,
    AskRepublish,
    AskSums,
    FindAccepted,
    FindReceived,
    NoteUnknown,
    ReadDurable,
    ReadPlaces,
    ReadReceived,
    ReadSettled,
    Settle,
    Settled,
    Settlement,
    Step,
    SumReceived,
)
from tallystick._account.sums import NOTHING, Sum, Sums
from tallystick._messages.ids import made_at

START = 1_800_000_000_000
PERIOD = 10_000
T = 2_000
DEDUPE = 120_000
Backup = Mapping[str, Any]
"""A store, an outbox and an inbox, as they were."""
DATABASE = UUID(int=1)
A, B = "shop.sold.v1", "shop.returned.v1"
TYPES = {A: Since(), B: Since()}


@cache
def hashed(message_id: UUID) -> int:
    return int.from_bytes(blake2b(message_id.bytes, digest_size=8).digest(), signed=True)


@dataclass
class Row:
    """A committed row of the outbox."""

    type: str
    republication: int = 0
    place: int | None = None
    stored_at: int = 0


@dataclass
class Outbox:
    """The source's database."""

    rows: dict[UUID, Row] = field(default_factory=dict)
    kept: dict[Span, Sums] = field(default_factory=dict)
    marks: dict[Span, int] = field(default_factory=dict)


@dataclass
class Store:
    """A stream and its durable: what is stored, what is acknowledged, what was published when."""

    stored: dict[int, UUID] = field(default_factory=dict)
    last: int = 0
    acknowledged: set[int] = field(default_factory=set)
    delivered: set[int] = field(default_factory=set)
    published: dict[str, tuple[int, int]] = field(default_factory=dict)

    def copy(self) -> Store:
        return Store(
            dict(self.stored),
            self.last,
            set(self.acknowledged),
            set(self.delivered),
            dict(self.published),
        )


@dataclass
class Inbox:
    """The reader's database."""

    ids: set[UUID] = field(default_factory=set)
    settled: dict[Span, Settled] = field(default_factory=dict)
    unknown: set[UUID] = field(default_factory=set)


@dataclass
class Replica:
    """A replica of the reader; `step` is the question that its look has asked."""

    memory: Memory = field(default_factory=lambda: Memory(after=T))
    look: Any = None
    step: Step[Any] | None = None
    broker_seen: int = 0
    """How many faults there had been when the broker was as this look was told."""
    published: set[UUID] = field(default_factory=set)
    began_at: int = 0
    """What the source had published when this look began, and how many faults there had been."""
    report: Report | None = None


@dataclass
class Seen:
    """What a stale broker answers with: the store and its filter as they were."""

    at: int
    faults: int
    store: Store
    filter: frozenset[str]


class World:
    """All of it. `wrong` names what must never happen."""

    def __init__(self) -> None:
        self.now = START
        self.outbox, self.store, self.inbox = Outbox(), Store(), Inbox()
        self.types: dict[UUID, str] = {}
        self.open: dict[UUID, int] = {}  # messages of transactions that still run, and their xids
        self.next_xid = 1
        self.unsendable: set[UUID] = set()
        self.filter = frozenset(TYPES)
        self.hand: list[tuple[int, UUID]] = []
        self.replicas = [Replica(), Replica()]
        self.history: list[Seen] = []
        self.accepted: frozenset[UUID] = frozenset()
        self.faults = 0
        self.forgotten: set[UUID] = set()
        """Messages of which the source forgot where they were published last."""
        self.republished = 0
        self.questions: dict[str, int] = {}
        self.wrong: list[str] = []

    # The source.

    def begin(self, name: str) -> UUID:
        """Insert a message in a transaction that goes on."""
        message_id = UUID(int=self.now << 80 | 7 << 76 | 2 << 62 | len(self.types) + 1)
        self.types[message_id] = name
        self.open[message_id] = self.next_xid
        self.next_xid += 1
        return message_id

    def commit(self, message_id: UUID) -> None:
        del self.open[message_id]
        self.outbox.rows[message_id] = Row(self.types[message_id])

    def unsent(self) -> list[UUID]:
        rows = self.outbox.rows
        return [i for i, row in rows.items() if row.place is None and i not in self.unsendable]

    def publish(self, message_id: UUID, *, marked: bool = True) -> None:
        """Publish a message; its mark may be lost, so that it is published once more."""
        row, store = self.outbox.rows[message_id], self.store
        name = f"{message_id}:e{row.republication}"
        place, at = store.published.get(name, (0, 0))
        if not place or self.now - at >= DEDUPE:
            store.last = place = store.last + 1
            store.stored[place] = message_id
            store.published[name] = (place, self.now)
        if marked:
            row.place, row.stored_at = place, self.now
            self.forgotten.discard(message_id)

    def source(self) -> Source:
        return Source(DATABASE, PERIOD, self.now, START)

    def close(self) -> None:
        """What the source does regularly: mark, and keep the sums of what is closed."""
        kept, marks = self.outbox.kept, self.outbox.marks
        waiting = [s for s in divide(START, self.now, at=0, period=PERIOD) if s not in kept]
        xmin = min(self.open.values(), default=self.next_xid)
        plan = closing(waiting, marks, Snapshot(self.now, xmin, self.next_xid))
        for span in plan.to_keep:
            kept[span] = self.sums(span)
        for span in plan.to_mark:
            marks[span] = self.next_xid
            self.next_xid += 1

    def sums(self, span: Span) -> dict[str, Sum]:
        found: dict[str, Sum] = {}
        first, last = span.bounds
        for each, row in self.outbox.rows.items():
            if first <= each < last:
                found[row.type] = found.get(row.type, NOTHING) + Sum(1, hashed(each))
        return found

    def answer_sums(self, request: SumsRequest) -> SumsAnswer:
        self.close()
        source, kept = self.source(), self.outbox.kept
        plan = plan_sums(request, source, kept, at_most=50)
        summed = {span: self.sums(span) for span in plan.to_sum}
        return sums_answer(request, source, plan, kept, summed)

    def answer_ids(self, request: IdsRequest) -> IdsAnswer:
        rows = [
            OutboxRow(each, row.type, row.place, row.republication, hashed(each))
            for each, row in sorted(self.outbox.rows.items())
            if request.first <= each < request.last and row.type in request.types
        ]
        return ids_answer(request, self.source(), rows[:3], at_most=2)

    def answer_known(self, request: KnownRequest) -> KnownAnswer:
        known = tuple(each for each in request.ids if each in self.outbox.rows)
        return KnownAnswer(DATABASE, START, known)

    def republish(self, replica: Replica, request: RepublishRequest) -> RepublishAnswer:
        done = 0
        for each in request.lost:
            row = self.outbox.rows.get(each.id)
            if row is None:
                continue
            stored = Stored(row.republication, row.place, row.stored_at)
            if republishing.may_republish(stored, each.republication, self.now, T):
                self._check(replica, each.id, row)
                row.republication, row.place = row.republication + 1, None
                done += 1
        self.republished += done
        return RepublishAnswer(DATABASE, done)

    def _check(self, replica: Replica, message_id: UUID, row: Row) -> None:
        """Note what is published again in vain.

        Excused is what a fault has put into the stream since the broker was asked, and what a
        source that was set back does not know to be there.
        """
        if row.place is None:
            self.wrong.append("published again before it was published")
        if not self.faults:
            self.wrong.append("published again though nothing was lost")
        unread = {q for q, i in self.store.stored.items() if i == message_id}
        is_excused = self.faults != replica.broker_seen or message_id in self.forgotten
        if unread - self.store.acknowledged and not is_excused:
            self.wrong.append("published again though it is not lost")

    def _check_agreement(self, replica: Replica, report: Report) -> None:
        """Note what a look says to be received, though it is not."""
        said = {each for each in replica.published if made_at(each) < report.agrees_until}
        if said - self.inbox.ids and self.faults == replica.began_at:
            self.wrong.append("agrees about what is not received")

    # The broker.

    def unread(self, store: Store, names: frozenset[str]) -> list[int]:
        """What the durable has to deliver or has delivered, by a filter."""
        places = (q for q, i in store.stored.items() if self.types[i] in names)
        return sorted(q for q in places if q not in store.acknowledged)

    def deliverable(self) -> list[int]:
        held = {(q, i) for q, i in self.hand}
        places = self.unread(self.store, self.filter)
        return [q for q in places if (q, self.store.stored[q]) not in held]

    def deliver(self, place: int) -> None:
        self.store.delivered.add(place)
        self.hand.append((place, self.store.stored[place]))

    def seen(self, stale: bool) -> Seen:
        recent = [each for each in self.history if each.at > self.now - T]
        return recent[0] if stale and recent else self.remember()

    def remember(self) -> Seen:
        """Note what a stale answer may say later."""
        self.history = [each for each in self.history if each.at > self.now - T]
        self.history.append(Seen(self.now, self.faults, self.store.copy(), self.filter))
        return self.history[-1]

    def durable(self, seen: Seen) -> DurableState:
        unread = self.unread(seen.store, seen.filter)
        in_hand = sum(place in seen.store.delivered for place in unread)
        floor = unread[0] - 1 if unread else seen.store.last
        pending = len(unread) - in_hand
        return DurableState(seen.filter, floor, pending, in_hand, seen.store.last)

    # The reader.

    def receive(self, at: int) -> None:
        """Receive what a replica has in hand, in one transaction."""
        message_id = self.hand[at][1]
        self.inbox.ids.add(message_id)
        if settled.reopens(made_at(message_id), self.now):
            rows = self.inbox.settled
            for span in [s for s in rows if s.start <= made_at(message_id) < s.end]:
                del rows[span]

    def acknowledge(self, at: int) -> None:
        """An acknowledgement names a place only, whatever is stored there by now."""
        place, _ = self.hand.pop(at)
        if place in self.store.stored:
            self.store.acknowledged.add(place)

    def received(self, span: Span) -> Sum:
        first, last = span.bounds
        found = NOTHING
        for each in self.inbox.ids:
            if first <= each < last:
                found += Sum(1, hashed(each))
        return found

    def settle(self, step: Settle) -> frozenset[Span]:
        return frozenset(each.span for each in step.settlements if self.settle_one(each))

    def settle_one(self, one: Settlement) -> bool:
        if self.received(one.span) != one.own:
            return False
        rows = self.inbox.settled
        for span in [s for s in rows if s.contains(one.span) or one.span.contains(s)]:
            del rows[span]
        rows[one.span] = one.settled
        self.note_unknown(one.span, ())
        return True

    def note_unknown(self, span: Span, ids: Sequence[UUID]) -> None:
        first, last = span.bounds
        inbox = self.inbox
        inbox.unknown = {i for i in inbox.unknown if not first <= i < last} | set(ids)

    # Looks.

    def reader(self) -> Reader:
        return Reader("shop", "mail-sold", TYPES, START, PERIOD, DATABASE)

    def look(
        self, replica: Replica, *, before: type[Step[Any]] | None = None, stale: bool = False
    ) -> None:
        """Go on with a look, or begin one, up to the next question of a kind or to its end."""
        if replica.look is None:
            declared = [frozenset(TYPES)] * 2
            replica.look = look(self.reader(), replica.memory, now=self.now, declared=declared)
            replica.step = next(replica.look)
            replica.broker_seen = replica.began_at = self.faults
            replica.published = set(self.outbox.rows)
        while True:
            assert replica.step is not None
            try:
                replica.step = replica.look.send(self.answer(replica, replica.step, stale))
            except StopIteration as end:
                replica.look, replica.step, replica.report = None, None, end.value
                self._check_agreement(replica, end.value)
                return
            if before is not None and isinstance(replica.step, before):
                return

    def answer(self, replica: Replica, step: Step[Any], stale: bool) -> Any:
        name = type(step).__name__
        self.questions[name] = self.questions.get(name, 0) + 1
        match step:
            case AskSums(request):
                return self.answer_sums(request)
            case AskIds(request):
                return self.answer_ids(request)
            case AskKnown(request):
                return self.answer_known(request)
            case AskRepublish(request):
                return self.republish(replica, request)
            case ReadDurable() | ReadPlaces():
                return self._of_the_broker(replica, step, self.seen(stale))
            case _:
                return self._of_the_inbox(step)

    def _of_the_broker(self, replica: Replica, step: Step[Any], seen: Seen) -> Any:
        replica.broker_seen = min(replica.broker_seen, seen.faults)
        if isinstance(step, ReadPlaces):
            return {place: seen.store.stored.get(place) for place in step.places}
        return self.durable(seen)

    def _of_the_inbox(self, step: Step[Any]) -> Any:
        if isinstance(step, FindAccepted | NoteUnknown):
            return self._of_the_unknown(step)
        match step:
            case ReadSettled():
                return dict(self.inbox.settled)
            case SumReceived(spans):
                return {span: self.received(span) for span in spans}
            case ReadReceived(first, last):
                return frozenset(i for i in self.inbox.ids if first <= i < last)
            case FindReceived(ids):
                return self.inbox.ids.intersection(ids)
            case Settle():
                return self.settle(step)
        raise AssertionError(step)

    def _of_the_unknown(self, step: FindAccepted | NoteUnknown) -> Any:
        if isinstance(step, NoteUnknown):
            return self.note_unknown(step.span, step.ids)
        return self.accepted.intersection(step.ids)

    # Faults.

    def wipe(self, backup: Backup) -> None:
        """The store is lost; the new stream begins at the time, so above the old one."""
        self.store = Store(last=self.store.last + 100)

    def wipe_with_clock_back(self, backup: Backup) -> None:
        """The new stream begins below the old one, and uses its sequences again."""
        self.store = Store()

    def backup(self) -> Backup:
        return deepcopy({"store": self.store, "outbox": self.outbox, "inbox": self.inbox})

    def restore_store(self, backup: Backup) -> None:
        self.store = deepcopy(backup["store"])

    def set_back_source(self, backup: Backup) -> None:
        before, self.outbox = self.outbox.rows, deepcopy(backup["outbox"])
        self.forgotten |= {i for i, row in self.outbox.rows.items() if row != before.get(i)}
        self.open.clear()

    def set_back_reader(self, backup: Backup) -> None:
        """Looks go on as if nothing had happened: their connections are made anew."""
        self.inbox = deepcopy(backup["inbox"])

    def recreate_durable(self, backup: Backup) -> None:
        self.store = replace(self.store, acknowledged=set(), delivered=set())

    def restart(self, at: int) -> None:
        """A replica starts anew; what all replicas had in hand will be redelivered."""
        self.replicas[at] = Replica()
        self.hand.clear()

    # What must hold.

    def unsettled_losses(self) -> list[Span]:
        """Return settled spans with a message that the inbox has not: nobody would look again."""
        found = []
        looked_at = SettledSpans(self.inbox.settled)
        for span in self.inbox.settled:
            first, last = span.bounds
            rows = {i for i in self.outbox.rows if first <= i < last}
            due = looked_at.is_due(span, self.sums(span), TYPES, closed=False)
            if not due and not rows <= self.inbox.ids:
                found.append(span)
        return found

    def unknown(self) -> set[UUID]:
        return self.inbox.ids - self.outbox.rows.keys()

    def missing(self) -> set[UUID]:
        return self.outbox.rows.keys() - self.inbox.ids - self.unsendable
