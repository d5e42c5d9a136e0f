"""Compare the ids of one period, page by page.

The order of the questions is the rule: the source's page, the inbox, the broker, the inbox again.
`fates` says why.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from tallystick._account import fates
from tallystick._account import reader as readers
from tallystick._account.coverage import Coverage
from tallystick._account.fates import DurableState, Evidence, Fate
from tallystick._account.findings import Finding
from tallystick._account.protocol import (
    IDS_ASKED_AT_MOST,
    IdsAnswer,
    IdsRequest,
    KnownRequest,
    Published,
)
from tallystick._account.reader import CannotJudge, Reader, checked
from tallystick._account.spans import Span
from tallystick._account.steps import (
    AskIds,
    Asking,
    AskKnown,
    FindAccepted,
    FindReceived,
    ReadDurable,
    ReadPlaces,
    ReadReceived,
    answer_to,
)
from tallystick._account.sums import NOTHING, Sum, named
from tallystick._messages.ids import made_at

LOOKED_UP_AT_MOST = 2_000
"""Places of one page; the rest waits for the next comparison."""


@dataclass
class Comparison:
    """The comparison of one period; `pages` counts the pages that it took.

    It ends early at a page of which the durable has not come to anything that is absent: nothing of
    it can be judged yet, and what was published later comes later. Its lowest place is `behind`.
    """

    reader: Reader
    span: Span
    coverage: Coverage
    received: int
    published: int
    pages: int = 0
    behind: int | None = None
    denied: set[UUID] = field(default_factory=set)
    """What the reader has and the source denies, without what a person has accepted."""
    durable: DurableState | None = None

    def run(self) -> Asking[tuple[Finding, dict[str, Sum]]]:
        """Return what was found, and the source's sums of exactly the ids that were compared.

        Raises CannotJudge.
        """
        finding = Finding(received=self.received, is_compared=True)
        sums = dict.fromkeys(self.coverage.types, NOTHING)
        first, last = self.span.bounds
        while first < last and self.behind is None:
            page = yield from self._page(first, last)
            for name, part in named(page.sums, self.reader.names).items():
                if name in sums:
                    sums[name] += part
            yield from self._examine(first, page, finding)
            first = page.until
        finding.unknown = len(self.denied)
        finding.published = sum(each.count for each in sums.values())
        if self.behind is not None:
            finding.published = max(self.published, finding.published)
            absent = finding.published - self.received - finding.missing - finding.unsent
            finding.on_its_way = max(finding.on_its_way, absent)
        return finding, sums

    def _page(self, first: UUID, last: UUID) -> Asking[IdsAnswer]:
        request = IdsRequest(first, last, self.reader.names)
        page = checked(self.reader, (yield from answer_to(AskIds(request))))
        if not first < page.until <= last:
            raise CannotJudge(f"{self.reader.source} answers with a page that leads nowhere")
        self.pages += 1
        return page

    def _examine(self, first: UUID, page: IdsAnswer, finding: Finding) -> Asking[None]:
        received = yield from answer_to(ReadReceived(first, page.until))
        absent = [each for each in page.published if each.id not in received]
        finding.note((yield from self._fates([each for each in absent if self._expects(each)])))
        finding.durable = self.durable
        extra = received - {each.id for each in page.published}
        self.denied |= yield from self._denied(extra)

    def _expects(self, each: Published) -> bool:
        name = self.reader.names[each.type]
        return self.coverage.expects(name, each.place, self.reader.types[name])

    def _fates(self, absent: Sequence[Published]) -> Asking[list[tuple[Published, Fate]]]:
        """Ask the broker about what is absent and was stored, then the inbox again."""
        stored = [each for each in absent if each.place is not None]
        if not stored:
            return [(each, Fate.UNSENT) for each in absent]
        evidence = yield from self._evidence(stored)
        received = yield from answer_to(FindReceived(tuple(each.id for each in stored)))
        return [(each, fates.fate(each, received, evidence)) for each in absent]

    def _evidence(self, stored: Sequence[Published]) -> Asking[Evidence]:
        # The filter belongs to the same answer as the floor: it may have changed since the start.
        durable = readers.judgeable(self.reader, (yield from answer_to(ReadDurable())))
        self.durable = durable
        places = [each.place for each in stored if each.place is not None]
        if all(map(durable.is_before, places)):
            self.behind = min(places)
        looked_up = _to_look_up(places, durable)
        if not looked_up:
            return Evidence(durable)
        return Evidence(durable, (yield from answer_to(ReadPlaces(looked_up))))

    def _denied(self, extra: frozenset[UUID]) -> Asking[set[UUID]]:
        """Return those that the source did not publish under any type."""
        denied: set[UUID] = set()
        ids = sorted(extra)
        for start in range(0, len(ids), IDS_ASKED_AT_MOST):
            asked = ids[start : start + IDS_ASKED_AT_MOST]
            step = AskKnown(KnownRequest(tuple(asked)))
            answer = checked(self.reader, (yield from answer_to(step)))
            known = set(answer.known)
            denied |= {i for i in asked if i not in known and made_at(i) >= answer.kept_from}
        if not denied:
            return denied
        return denied - (yield from answer_to(FindAccepted(tuple(sorted(denied)))))


def _to_look_up(places: Collection[int], durable: DurableState) -> tuple[int, ...]:
    """Return the places that decide, the lowest first: none while something is on its way."""
    if not durable.idle:
        return ()
    above = {place for place in places if place > durable.floor}
    return tuple(sorted(above)[:LOOKED_UP_AT_MOST])
