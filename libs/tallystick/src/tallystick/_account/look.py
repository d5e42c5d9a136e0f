"""A look: compare what one reader received with what its source published, and heal the difference.

    the source's sums are those it was settled with     nothing else is asked
    the inbox has the same sums                         settled
    else, for a day or an hour                          ask for its hours or periods
    else                                                compare its ids, page by page

Two replicas may look at once, and a look may end anywhere: what it does is safe to do twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from tallystick._account import reader as readers
from tallystick._account.comparison import Comparison
from tallystick._account.coverage import Coverage, covered
from tallystick._account.findings import Finding
from tallystick._account.memory import Memory
from tallystick._account.protocol import (
    IDS_ASKED_AT_MOST,
    Published,
    RepublishRequest,
    Seen,
    SpanSums,
    SumsAnswer,
    SumsRequest,
)
from tallystick._account.reader import CannotJudge, Reader, checked
from tallystick._account.report import Report
from tallystick._account.settled import SettledSpans
from tallystick._account.spans import MINUTE, Span, divide, finer
from tallystick._account.steps import (
    Asking,
    AskRepublish,
    AskSums,
    NoteUnknown,
    ReadDurable,
    ReadSettled,
    Settle,
    Settled,
    Settlement,
    SumReceived,
    answer_to,
)
from tallystick._account.sums import NOTHING, Sum, Sums, named, total

SWEEP_EVERY = MINUTE
"""How often the sums of everything are asked for: a source that is set back may differ anywhere."""
PAGES_AT_MOST = 16
"""Pages of ids in one look, except that a period that was begun is compared to its end."""
DIVIDED_AT_MOST = 4
"""Days and hours that one look divides."""


@dataclass(frozen=True, slots=True)
class Due:
    """A span that has to be judged, as the source sums it."""

    span: Span
    sums: Sums
    closed: bool
    coverage: Coverage


def look(
    reader: Reader, memory: Memory, *, now: int, declared: Collection[frozenset[str]]
) -> Asking[Report]:
    """Look once; `declared` is what each living replica declares that the durable reads."""
    return _Look(reader, memory, now).run(declared)


@dataclass
class _Look:
    reader: Reader
    memory: Memory
    now: int
    report: Report = field(default_factory=Report)
    settled: SettledSpans = field(default_factory=lambda: SettledSpans({}))
    lost: list[Published] = field(default_factory=list)
    pages: int = 0
    divided: int = 0
    asked_until: int = 0
    unsettled: set[Span] = field(default_factory=set)
    """What is due in this look and is not settled yet."""

    def run(self, declared: Collection[frozenset[str]]) -> Asking[Report]:
        self.report.period = self.reader.period  # until the source says another
        try:
            state = yield from answer_to(ReadDurable())
            durable = readers.judgeable(self.reader, state, declared)
            if not durable.is_before(self.memory.behind or 0):
                self.memory.behind = None
            self.settled = SettledSpans(
                (yield from answer_to(ReadSettled(self.reader.judged_from)))
            )
            yield from self._judge((yield from self._all_due()))
            yield from self._republish()
        except CannotJudge as reason:
            self.report.waits_for = str(reason)
        return self._reported()

    def _spans(self, end: int) -> list[Span]:
        reader = self.reader
        return divide(reader.judged_from, end, at=self.now, period=reader.period)

    def _all_due(self) -> Asking[list[SpanSums]]:
        """Ask for the sums from the oldest span on that is due, or once a minute for everything."""
        start, is_sweep = self.reader.judged_from, self._sweeps()
        for span in () if is_sweep else self._spans(self.now):
            start = span.start
            settled = self.settled.of(span)
            is_open = settled is None or not settled.closed
            if is_open and not self.memory.is_paused(span, self.now):
                break
        found = yield from self._sums(start, None)
        if is_sweep:
            self.memory.swept_at = self.now
        return found

    def _sweeps(self) -> bool:
        return self.now - self.memory.swept_at >= SWEEP_EVERY

    def _sums(
        self, start: int, end: int | None, length: int | None = None
    ) -> Asking[list[SpanSums]]:
        """Ask for the sums of a range, in as many answers as it takes."""
        found: list[SpanSums] = []
        is_complete = False
        while not is_complete:
            request = SumsRequest(start, end, self.now, self.reader.names, length)
            answer = self._usable((yield from answer_to(AskSums(request))), start)
            found += [each for each in answer.spans if each.start >= answer.kept_from]
            start, is_complete = answer.until, answer.complete
        if end is None:
            self.asked_until = start
        return found

    def _usable(self, answer: SumsAnswer | None, start: int) -> SumsAnswer:
        answer = checked(self.reader, answer)
        self.report.database, self.report.period = answer.database, answer.period
        self.report.kept_from = max(self.report.kept_from, answer.kept_from)
        if answer.period != self.reader.period:
            raise CannotJudge(f"{self.reader.source} has periods of {answer.period} ms now")
        if answer.until <= start and not answer.complete:
            raise CannotJudge(f"{self.reader.source} answers with sums of nothing")
        return answer

    def _judge(self, answered: Iterable[SpanSums]) -> Asking[None]:
        due = [each for each in map(self._due, answered) if each is not None]
        self.unsettled |= {each.span for each in due}
        for each in due:
            if each.span.length > self.reader.period:
                yield from self._divide(each)
        periods = [each for each in due if each.span.length == self.reader.period]
        if periods:
            spans = tuple(each.span for each in periods)
            own = yield from answer_to(SumReceived(spans))
            equal = [each for each in periods if _is_equal(each, own)]
            yield from self._settle(*(_settlement(each, own) for each in equal))
            for each in periods:
                if not _is_equal(each, own):
                    yield from self._judge_period(each, own.get(each.span, NOTHING))

    def _due(self, answered: SpanSums) -> Due | None:
        """Return a span that has to be judged; None if it is settled, or nothing of it is ours."""
        span = Span(answered.start, answered.length)
        sums = named(answered.sums, self.reader.names)
        coverage = covered(span, self.reader.types, self.reader.period)
        if not self.settled.is_due(span, sums, coverage.types, closed=answered.closed):
            self.memory.settled(span)
            return None
        return Due(span, sums, answered.closed, coverage)

    def _divide(self, due: Due) -> Asking[None]:
        """Judge the hours of a day or the periods of an hour, which together settle it."""
        if self.divided >= DIVIDED_AT_MOST or self.memory.is_paused(due.span, self.now):
            return
        self.divided += 1
        length = finer(due.span, self.reader.period)[0].length
        parts = yield from self._sums(due.span.start, due.span.end, length)
        self.unsettled.discard(due.span)  # its parts say what is
        yield from self._judge(parts)
        inside = (each for span, each in self.memory.findings.items() if due.span.contains(span))
        self.memory.pause(due.span, self.now, lost=any(each.missing for each in inside))

    def _judge_period(self, due: Due, own: Sum) -> Asking[None]:
        if self.memory.is_paused(due.span, self.now):
            return
        published = total(due.sums, due.coverage.types).count
        if self._compares(due.span):
            yield from self._compare(due, own, published)
        else:
            ahead = max(0, published - own.count)
            counted = Finding(published, own.count, on_its_way=ahead)
            self.memory.findings.setdefault(due.span, counted)

    def _compares(self, span: Span) -> bool:
        """Return whether ids are compared: not while they may still be in somebody's hand."""
        is_young = self.now - span.end < self.memory.after
        is_behind = self.memory.behind is not None
        return not (is_young or is_behind) and self.pages < PAGES_AT_MOST

    def _compare(self, due: Due, own: Sum, published: int) -> Asking[None]:
        comparison = Comparison(self.reader, due.span, due.coverage, own.count, published)
        finding, sums = yield from comparison.run()
        self.pages += comparison.pages
        self.memory.behind = comparison.behind
        if comparison.behind is None:
            yield from answer_to(NoteUnknown(due.span, tuple(sorted(comparison.denied))))
        self.memory.findings[due.span] = finding
        self.lost += self.memory.confirmed(due.span, finding, self.now)
        self.memory.pause(due.span, self.now, lost=bool(finding.missing))
        if finding.agrees:
            yield from self._settle(Settlement(due.span, own, Settled(sums, due.closed)))

    def _settle(self, *settlements: Settlement) -> Asking[None]:
        """Settle spans whose inbox is still what was compared; the others stay due."""
        if not settlements:
            return
        done = yield from answer_to(Settle(settlements))
        self.settled.put({each.span: each.settled for each in settlements if each.span in done})
        self.unsettled -= done
        for span in done:
            self.memory.settled(span)

    def _republish(self) -> Asking[None]:
        """Ask the source to publish again what is proved to be lost, the oldest first."""
        oldest = sorted(self.lost, key=lambda each: each.id)[:IDS_ASKED_AT_MOST]
        if not oldest or self.report.database is None:
            return
        lost = tuple(Seen(each.id, each.republication) for each in oldest)
        step = AskRepublish(RepublishRequest(self.report.database, lost))
        answer = checked(self.reader, (yield from answer_to(step)))
        self.report.republished = answer.republished
        self.report.left = len(self.lost) - answer.republished
        self.report.refused = answer.refused

    def _reported(self) -> Report:
        """Complete the report with all that is known of spans that are not settled."""
        start = max(self.reader.judged_from, self.report.kept_from)
        self.memory.retain(start)
        spans = self._spans(self.asked_until)
        self.report.settled_until = self.settled.until(spans, start)
        agreed = self.settled.until(spans, start, closed=False)
        differ = (span.start for span in (*self.memory.findings, *self.unsettled))
        self.report.agrees_until = min(agreed, *differ, agreed)
        self.report.settled = self.settled.counts()
        self.report.findings = dict(self.memory.findings)
        return self.report


def _is_equal(due: Due, own: Mapping[Span, Sum]) -> bool:
    """Return whether sums agree: then nothing is missing, around `since` neither."""
    return own.get(due.span, NOTHING) == total(due.sums, due.coverage.types)


def _settlement(due: Due, own: Mapping[Span, Sum]) -> Settlement:
    judged = {name: due.sums.get(name, NOTHING) for name in due.coverage.types}
    return Settlement(due.span, own.get(due.span, NOTHING), Settled(judged, due.closed))
