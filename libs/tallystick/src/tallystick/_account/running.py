"""Runs a look, or a witness: puts each of its questions to the port that answers it."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, TypeVar

from tallystick._account.ports import BrokerPort, InboxPort, SourcePort
from tallystick._account.protocol import (
    AccountAnswer,
    IdsAnswer,
    KnownAnswer,
    RepublishAnswer,
    SumsAnswer,
)
from tallystick._account.steps import (
    AskIds,
    Asking,
    AskKnown,
    AskRepublish,
    AskSums,
    FindAccepted,
    FindKnown,
    FindReceived,
    NoteUnknown,
    ReadDurable,
    ReadNext,
    ReadPlaces,
    ReadReceived,
    ReadSettled,
    Settle,
    Step,
    SumReceived,
)

T = TypeVar("T")
ANSWERS: dict[type[Step[Any]], type[AccountAnswer]] = {
    AskSums: SumsAnswer,
    AskIds: IdsAnswer,
    AskKnown: KnownAnswer,
    AskRepublish: RepublishAnswer,
}


@dataclass(frozen=True)
class Ports:
    """The three ends of a look."""

    source: SourcePort
    broker: BrokerPort
    inbox: InboxPort

    async def run(self, looking: Asking[T]) -> T:
        """Return what a look reports; raises what it raises, or a port."""
        try:
            step = next(looking)
            while True:
                step = looking.send(await self._answer(step))
        except StopIteration as end:
            report: T = end.value
            return report
        finally:
            looking.close()

    def _answer(self, step: Step[Any]) -> Awaitable[Any]:
        match step:
            case AskSums() | AskIds() | AskKnown() | AskRepublish():
                return self.source.ask(step.request, ANSWERS[type(step)])
            case ReadDurable():
                return self.broker.durable()
            case ReadPlaces(places):
                return self.broker.stored(places)
            case ReadNext(places):
                return self.broker.following(places)
            case _:
                return self._of_inbox(step)

    def _of_inbox(self, step: Step[Any]) -> Awaitable[Any]:
        match step:
            case ReadSettled(start):
                return self.inbox.settled(start)
            case SumReceived(spans):
                return self.inbox.sums(spans)
            case ReadReceived(first, last):
                return self.inbox.received_in(first, last)
            case FindReceived(ids):
                return self.inbox.received_of(ids)
            case FindKnown(ids):
                return self.inbox.known_of(ids)
            case _:
                return self._judged(step)

    def _judged(self, step: Step[Any]) -> Awaitable[Any]:
        match step:
            case FindAccepted(ids):
                return self.inbox.accepted_of(ids)
            case NoteUnknown(span, ids):
                return self.inbox.note_unknown(span, ids)
            case Settle():
                return self.inbox.settle(step)
        raise TypeError(f"no port answers {step!r}")
