"""Two services, each with a database, and a broker that forgets: the account finds and heals it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from nats.aio.client import Client
from uuid_utils.compat import uuid7

from tallystick import Delivery, Event, Router, Write
from tallystick._account.answering import Source, plan_sums, sums_answer  # inside: what is asked
from tallystick._account.outbox_port import SourceOutbox
from tallystick._account.protocol import SumsRequest
from tallystick._account.spans import HOUR, Span
from tallystick._admin.refused import DiscardAsked, RefusedMessages, RetryAsked  # inside: repairs
from tallystick._database.postgres import Postgres
from tallystick._http.problem import Problem
from tallystick._service.assembly import assemble  # inside: replicas without their HTTP side
from tallystick._service.runtime import Runtime  # inside: the same
from tallystick._settings import Settings
from tallystick.testing import PostgresServer, migrate
from tallystick.topology import declared, reconcile

PERIOD_S = 1


class Sold(Event, name="shop.sold", version=1, key="item"):
    item: int


class Noted(Event, name="shop.noted", version=1, key="item"):
    item: int
    text: str


class Returned(Event, name="shop.returned", version=1, key="item"):
    item: int


def shop() -> Router:
    return Router("shop")


def books() -> Router:
    router = Router("books")

    @router.on(Sold, durable="books-sales")
    async def note(event: Sold, delivery: Delivery) -> None:
        await delivery.commit(Write("insert into sales (item) values ($1)", (event.item,)))

    return router


def notes() -> Router:
    """Reads what may be long."""
    router = Router("books")

    @router.on(Noted, durable="books-notes")
    async def note(event: Noted, delivery: Delivery) -> None:
        await delivery.commit()

    return router


INTO_OUTBOX = """insert into tallystick.outbox
(id, type, subject, headers, body, correlation_id, key, refused)
values ($1, 'shop.noted.v1', 'evt.shop.noted.v1.00', '', '', '', 'k', 'too large')"""
Running = Callable[..., AbstractAsyncContextManager[Runtime]]


class Site:
    """Services by name, each with a database of its own."""

    def __init__(self, urls: dict[str, str], nats_url: str, client: Client) -> None:
        self.urls = urls
        self._nats_url = nats_url
        self.client = client

    @asynccontextmanager
    async def runs(self, router: Router, **values: Any) -> AsyncIterator[Runtime]:
        given: dict[str, Any] = {
            "database_url": self.urls[router.name],
            "nats_url": self._nats_url,
            "ack_wait_s": 1,
            "replica_timeout_s": 2,
            "sweep_s": 0.1,
            "deadline_s": 5,
            "account_period_s": PERIOD_S,
            **values,
        }
        runtime = Runtime(assemble(Settings(**given), router, ()), ())
        async with runtime.running():
            yield runtime

    async def declare(self, *routers: Router) -> None:
        await reconcile(self.client, [declared(router, ack_wait_s=1) for router in routers])

    async def wipe(self, *routers: Router) -> None:
        """Forget all that the broker has, and make its streams anew."""
        for stream in await self.client.jetstream().streams_info():
            await self.client.jetstream().delete_stream(stream.config.name or "")
        await self.declare(*routers)

    async def sql(self, service: str, sql: str, *args: Any) -> list[Any]:
        connection = await asyncpg.connect(self.urls[service])
        try:
            return list(await connection.fetch(sql, *args))
        finally:
            await connection.close()

    async def until(self, service: str, condition: str, within: float = 40) -> None:
        try:
            async with asyncio.timeout(within):
                while not await self.sql(service, f"select where {condition}"):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            shown = await self.sql(service, "select overview::text from tallystick.accounts")
            raise AssertionError(f"never {condition}: {[row[0] for row in shown]}") from None

    async def overview(self, service: str, durable: str) -> dict[str, Any]:
        rows = await self.sql(
            service,
            "select a.overview::text from tallystick.accounts a join tallystick.readers r"
            " on r.number = a.reader where r.durable = $1",
            durable,
        )
        found: dict[str, Any] = json.loads(rows[0][0]) if rows else {}
        return found


@pytest.fixture
async def site(postgres: PostgresServer, nats_url: str, client: Client) -> Site:
    urls = {}
    for name in ("shop", "books"):
        urls[name] = await postgres.create_database(f"{name}_{uuid4().hex[:8]}")
        await migrate("tallystick", urls[name])
    connection = await asyncpg.connect(urls["books"])
    await connection.execute("create table sales (item int)")
    await connection.close()
    return Site(urls, nats_url, client)


async def sell(runtime: Runtime, items: range) -> None:
    await asyncio.gather(*(runtime.parts.database.commit(Sold(item=item)) for item in items))


ALL = "(select count(distinct item) = {0} and count(*) = {0} from sales)"


async def test_what_the_broker_lost_between_two_services_is_found_and_said_again(
    site: Site,
) -> None:
    seller, reader = shop(), books()
    await site.declare(seller, reader)
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(site.runs(seller))
        async with site.runs(reader):
            await sell(runtime, range(10))
            await site.until("books", ALL.format(10))
            await site.until("books", "exists (select from tallystick.reads)")
        await sell(runtime, range(10, 210))  # the reader is down
        await site.until("shop", "not exists (select from tallystick.outbox where sent_at is null)")
        await site.wipe(seller, reader)
        async with site.runs(reader):
            await site.until("books", ALL.format(210))
            await site.until("books", "exists (select from tallystick.settled)")
    rows = await site.sql(
        "shop", "select republication, count(*) from tallystick.outbox group by 1"
    )
    assert dict(map(tuple, rows)) == {0: 10, 1: 200}


async def set_back(site: Site, postgres: PostgresServer, service: str) -> str:
    """Copy a service's database as it is now; return the address of the copy."""
    name = site.urls[service].rpartition("/")[2].partition("?")[0]
    connection = await asyncpg.connect(postgres.url)
    try:
        await connection.execute(f'create database "{name}_then" template "{name}"')
    finally:
        await connection.close()
    return site.urls[service].replace(name, f"{name}_then")


async def test_what_a_reader_that_was_set_back_has_forgotten_is_said_again(
    site: Site, postgres: PostgresServer
) -> None:
    seller, reader = shop(), books()
    await site.declare(seller, reader)
    async with site.runs(seller) as runtime:
        async with site.runs(reader):
            await sell(runtime, range(20))
            await site.until("books", ALL.format(20))
            await site.until("books", "exists (select from tallystick.settled)")
        then = await set_back(site, postgres, "books")
        async with site.runs(reader):
            await sell(runtime, range(20, 50))
            await site.until("books", ALL.format(50))
        site.urls["books"] = then
        async with site.runs(reader):
            await site.until("books", ALL.format(50))
    rows = await site.sql(
        "shop", "select republication, count(*) from tallystick.outbox group by 1"
    )
    assert dict(map(tuple, rows)) == {0: 20, 1: 30}


async def test_what_a_source_that_was_set_back_denies_is_named_and_nothing_else(
    site: Site, postgres: PostgresServer
) -> None:
    seller, reader = shop(), books()
    await site.declare(seller, reader)
    async with site.runs(reader):
        async with site.runs(seller) as runtime:
            await sell(runtime, range(20))
            await site.until("books", ALL.format(20))
        then = await set_back(site, postgres, "shop")
        async with site.runs(seller) as runtime:
            await sell(runtime, range(20, 25))
            await site.until("books", ALL.format(25))
        sold = "select id::text from tallystick.outbox where key::int >= 20 order by 1"
        forgotten = [row[0] for row in await site.sql("shop", sold)]
        site.urls["shop"] = then
        async with site.runs(seller):
            await site.until(
                "books",
                "exists (select from tallystick.accounts where overview ->> 'unknown' = '5')",
            )
            found = await site.overview("books", "books-sales")
            unknown = await site.sql("books", "select id::text from tallystick.unknown order by 1")
            assert [row[0] for row in unknown] == forgotten
            assert (found["missing"], found["republished"]) == (0, 0)


async def test_nothing_is_said_again_that_was_not_lost(site: Site) -> None:
    """A backlog, a reader that was down, a durable made anew: all of it still comes."""
    seller, reader = shop(), books()
    await site.declare(seller, reader)
    async with site.runs(seller) as runtime:
        async with site.runs(reader):
            await sell(runtime, range(20))
            await site.until("books", ALL.format(20))
            await site.client.jetstream().delete_consumer("SHOP", "books-sales")
            await site.declare(seller, reader)
            await sell(runtime, range(20, 30))
            await site.until("books", ALL.format(30))
        await sell(runtime, range(30, 400))
        async with site.runs(reader):
            await site.until("books", ALL.format(400))
            settled = "select coalesce(max(start + length), 0) from tallystick.settled"
            ((before,),) = await site.sql("books", settled)
            await site.until("books", f"({settled}) > {before} + 5000")
    rows = await site.sql(
        "shop", "select republication, count(*) from tallystick.outbox group by 1"
    )
    assert dict(map(tuple, rows)) == {0: 400}


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
