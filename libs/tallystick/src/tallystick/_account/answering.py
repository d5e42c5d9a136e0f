"""A source's answers, out of its rows and the sums it has kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from tallystick._account.protocol import (
    IdsAnswer,
    IdsRequest,
    Published,
    SpanSums,
    SumsAnswer,
    SumsRequest,
)
from tallystick._account.spans import MINUTE, Span, ceiling, divide
from tallystick._account.sums import Sum, Sums, added, indexed, parts_of, without

NONE: Mapping[Span, Sums] = {}
CLOCKS_DIFFER = 10 * MINUTE
"""An asker's clock may be this far off; beyond it, spans are folded by the source's clock."""


@dataclass(frozen=True)
class Source:
    """What a source's database says of itself, now by its clock."""

    database: UUID
    period: int
    now: int
    kept_from: int = 0
    """The outbox, and the kept sums, have everything from then on."""


@dataclass(frozen=True, slots=True)
class SumsPlan:
    """What to answer with: `parts` of kept sums for each span, and `to_sum` from the rows."""

    parts: Mapping[Span, Sequence[Span]]
    to_sum: tuple[Span, ...]
    complete: bool

    @property
    def spans(self) -> list[Span]:
        return sorted((*self.parts, *self.to_sum))


class OutboxRow(NamedTuple):
    """A row of a page: what an answer says of a message, and the hash of its id."""

    id: UUID
    type: str
    place: int | None
    republication: int
    hash: int


def plan_sums(request: SumsRequest, source: Source, kept: Iterable[Span], at_most: int) -> SumsPlan:
    """Return where the sums of a request come from; `kept` are the spans whose sums are kept.

    At most `at_most` spans are answered, and no day is summed from its rows.
    """
    kept = sorted(kept)
    spans = _asked(request, source)
    found = {span: parts_of(span, kept) for span in spans[:at_most]}
    parts = {span: each for span, each in found.items() if each is not None}
    to_sum = tuple(span for span in found if span not in parts)
    return SumsPlan(parts, to_sum, complete=len(spans) <= at_most)


def _asked(request: SumsRequest, source: Source) -> list[Span]:
    start = max(request.start, source.kept_from)
    end = source.now if request.end is None else request.end
    if request.length is not None:
        starts = range(ceiling(start, request.length), end, request.length)
        return [Span(each, request.length) for each in starts if each + request.length <= end]
    at = min(max(request.at, source.now - CLOCKS_DIFFER), source.now + CLOCKS_DIFFER)
    return divide(start, end, at=at, period=source.period)


def sums_answer(
    request: SumsRequest,
    source: Source,
    plan: SumsPlan,
    kept: Mapping[Span, Sums],
    summed: Mapping[Span, Sums],
    discarded: Mapping[Span, Sums] = NONE,
) -> SumsAnswer:
    """Return the answer that was planned; only what is kept is closed.

    What is `discarded` is in the sums of the rows and in those that are kept, and is left out.
    """
    found = {span: added(kept[part] for part in parts) for span, parts in plan.parts.items()}
    sums = {**summed, **found}
    return SumsAnswer(
        database=source.database,
        period=source.period,
        kept_from=source.kept_from,
        until=plan.spans[-1].end if plan.spans else request.start,
        complete=plan.complete,
        spans=tuple(
            SpanSums(
                span.start,
                span.length,
                span in found,
                indexed(without(sums.get(span, {}), discarded.get(span, {})), request.types),
            )
            for span in plan.spans
        ),
    )


def ids_answer(
    request: IdsRequest, source: Source, rows: Sequence[OutboxRow], at_most: int
) -> IdsAnswer:
    """Return a page. `rows` are in order and have one more than `at_most`, if there is one."""
    page, rest = rows[:at_most], rows[at_most:]
    index = {name: at for at, name in enumerate(request.types)}
    return IdsAnswer(
        database=source.database,
        until=rest[0].id if rest else request.last,
        published=tuple(
            Published(row.id, index[row.type], row.place, row.republication) for row in page
        ),
        sums=indexed(_sums(page), request.types),
    )


def _sums(rows: Iterable[OutboxRow]) -> dict[str, Sum]:
    return added({row.type: Sum(1, row.hash)} for row in rows)
