"""What the broker refuses for good, and the account of it once a person has repaired it."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from libs.tallystick.tests.account.site import Site, shop
from tallystick import Delivery, Event, Router
from tallystick._account.answering import Source, plan_sums, sums_answer  # inside: what is asked
from tallystick._account.outbox_port import SourceOutbox
from tallystick._account.protocol import SumsRequest
from tallystick._account.spans import HOUR, Span
from tallystick._admin.refused import DiscardAsked, RefusedMessages, RetryAsked  # inside: repairs
from tallystick._database.postgres import Postgres
from tallystick._http.problem import Problem

INTO_OUTBOX = """insert into tallystick.outbox
(id, type, subject, headers, body, correlation_id, key, refused)
values ($1, 'shop.noted.v1', 'evt.shop.noted.v1.00', '', '', '', 'k', 'too large')"""


class Noted(Event, name="shop.noted", version=1, key="item"):
    item: int
    text: str


def notes() -> Router:
    """Reads what may be long."""
    router = Router("books")

    @router.on(Noted, durable="books-notes")
    async def note(event: Noted, delivery: Delivery) -> None:
        await delivery.commit()

    return router


async def refused(site: Site, seller: Router) -> str:
    """The id of a message that is over its stream's limit, which `books` therefore never gets."""
    stream = (await site.client.jetstream().stream_info("SHOP")).config
    await site.client.jetstream().update_stream(stream.evolve(max_msg_size=300))
    async with site.runs(seller) as runtime:
        await runtime.parts.database.commit(Noted(item=1, text="x" * 1000))
        await site.until("shop", "exists (select from tallystick.outbox where refused is not null)")
    await site.client.jetstream().update_stream(stream)
    return str((await site.sql("shop", "select id from tallystick.outbox"))[0][0])


def agrees(after: str) -> str:
    """All is received until a moment after a message was made."""
    made = f"('x' || translate(left('{after}', 13), '-', ''))::bit(48)::bigint"
    return (
        "exists (select from tallystick.accounts where"
        f" (overview ->> 'agrees_until')::bigint > {made} + 1000)"
    )


BECAUSE = {"actor": "ada", "reason": "a test"}


async def test_what_a_person_discards_that_the_broker_refused_is_missed_by_no_reader(
    site: Site,
) -> None:
    seller, reader = shop(), notes()
    await site.declare(seller, reader)
    async with site.runs(reader):
        id_ = await refused(site, seller)
        async with site.runs(seller) as runtime:
            repair = RefusedMessages(runtime.parts.postgres, "shop")
            unsent = "exists (select from tallystick.accounts where overview ->> 'unsent' = '1')"
            await site.until("books", unsent)
            with pytest.raises(Problem, match="No such message is refused"):
                await repair.discard(DiscardAsked(**BECAUSE, messages=["another"]))
            asked = DiscardAsked(**BECAUSE, messages=[id_])
            assert (await repair.discard(asked)).count == 1
            assert (await repair.discard(asked)).count == 1  # the same request, sent twice
            await site.until("books", agrees(after=id_), within=60)
            assert (await repair.all()).total == 0
    assert not await site.sql("books", "select from tallystick.inbox")
    (row,) = await site.sql("shop", "select action, actor, letter from tallystick.actions")
    assert (row["action"], row["actor"]) == ("discard", "ada")
    assert json.loads(row["letter"])["reason"] == "refused"


async def test_a_refused_message_is_sent_again_once_a_person_says_so(site: Site) -> None:
    seller, reader = shop(), notes()
    await site.declare(seller, reader)
    async with site.runs(reader):
        id_ = await refused(site, seller)
        async with site.runs(seller) as runtime:
            repair = RefusedMessages(runtime.parts.postgres, "shop")
            (one,) = (await repair.all()).refused
            assert (str(one.id), one.key, one.type) == (id_, "1", "evt.shop.noted.v1")
            assert one.size > 1000
            assert "maximum" in one.error
            asked = RetryAsked(**BECAUSE)
            assert (await repair.retry(asked)).count == 1
            await site.until("books", "exists (select from tallystick.inbox)")
            await site.until("books", agrees(after=id_), within=60)
            assert (await repair.retry(asked)).count == 1  # sent again once


async def test_sums_that_are_kept_leave_out_what_is_discarded_later(site: Site) -> None:
    """A period is closed by then: its sums are never added up again, nor changed."""
    ids = [str(uuid7()) for _ in range(3)]
    for id_ in ids:
        await site.sql("shop", INTO_OUTBOX, id_)
    first = (UUID(ids[0]).int >> 80) // HOUR * HOUR
    span = Span(first, HOUR)
    postgres = Postgres(site.urls["shop"], name="tests")
    await postgres.open()
    outbox = SourceOutbox(postgres, None)  # type: ignore[arg-type]  # nothing is published
    await outbox.keep(await outbox.sums([span]))
    await site.sql(
        "shop", "update tallystick.outbox set discarded_at = now() where id = $1", ids[1]
    )
    source = Source(UUID(int=1), 10_000, span.end, first)
    request = SumsRequest(first, span.end, span.end, ("shop.noted.v1",), span.length)
    kept = await outbox.kept(first, span.end)
    plan = plan_sums(request, source, kept, 10)
    assert plan.parts
    assert not plan.to_sum
    discarded = await outbox.discarded(plan.spans)
    (answered,) = sums_answer(request, source, plan, kept, {}, discarded).spans
    await site.sql("shop", "delete from tallystick.outbox where id = $1", ids[1])
    summed = (await outbox.sums([span]))[span]["shop.noted.v1"]
    assert (answered.sums[0].count, answered.sums[0].xor) == (summed.count, summed.xor)
    assert summed.count == 2
    page = await outbox.page(*span.bounds, ["shop.noted.v1"], 10)
    assert [str(row.id) for row in page] == [ids[0], ids[2]]
    await postgres.close()
