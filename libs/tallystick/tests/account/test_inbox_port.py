"""A reader settles spans in its database, on a real PostgreSQL."""

from __future__ import annotations

import pytest

from tallystick._account import inbox_port
from tallystick._account.inbox_port import ReaderInbox
from tallystick._account.spans import Span
from tallystick._account.steps import Settle, Settled, Settlement
from tallystick._account.sums import NOTHING, Sum
from tallystick._database.postgres import Postgres

PERIOD = 10_000
SPANS = [Span(1_800_000_000_000 + number * PERIOD, PERIOD) for number in range(5)]
SOLD = Settled({"evt.shop.sold.v1": NOTHING}, closed=True)
NEVER_STORED = Sum(2**70, 0)  # no bigint: the statement for it fails


def step(*owns: Sum) -> Settle:
    """Settle the first spans, whose inbox is said to have these sums."""
    return Settle(tuple(Settlement(span, own, SOLD) for span, own in zip(SPANS, owns, strict=True)))


@pytest.fixture
def inbox(database: Postgres, monkeypatch: pytest.MonkeyPatch) -> ReaderInbox:
    """A reader that settles two spans in a commit."""
    monkeypatch.setattr(inbox_port, "SETTLED_AT_ONCE", 2)
    return ReaderInbox(database, 7)


async def test_any_number_of_spans_is_settled(inbox: ReaderInbox) -> None:
    assert await inbox.settle(step(*[NOTHING] * 5)) == set(SPANS)
    assert set(await inbox.settled(0)) == set(SPANS)


async def test_a_span_whose_inbox_has_changed_stays_due(inbox: ReaderInbox) -> None:
    owns = [NOTHING, NOTHING, Sum(1, 1), NOTHING, NOTHING]
    assert await inbox.settle(step(*owns)) == set(SPANS) - {SPANS[2]}


async def test_what_was_settled_before_a_statement_fails_stays_settled(inbox: ReaderInbox) -> None:
    with pytest.raises(Exception, match="value out of int64 range"):
        await inbox.settle(step(*[NOTHING] * 4, NEVER_STORED))
    assert set(await inbox.settled(0)) == set(SPANS[:4])
