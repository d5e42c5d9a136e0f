"""An event from commit to effect: committed, published, delivered, done once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

import asyncpg
import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig
from structlog.testing import capture_logs
from typing_extensions import override

from tallystick import Conflict, Delivery, Event, Retry, Router, Write
from tallystick._broker.wire import Wire
from tallystick._messages.identity import digest
from tallystick._service.runtime import Runtime
from tallystick.testing import eventually
from tallystick.testing.ids import name_in, named_id
from tallystick.testing.known import KNOWN
from tallystick.topology import declared, reconcile

Sql = Callable[..., Awaitable[list[Any]]]
Run = Callable[..., AbstractAsyncContextManager[Runtime]]
Settled = Callable[..., Awaitable[None]]
Until = Callable[[str], Awaitable[None]]

COUNT = """insert into things (id, value) values ($1, 1)
on conflict (id) do update set value = things.value + 1"""
NOTHING_HELD = "not exists (select from tallystick.deferred)"
SUBJECT = "evt.shop.sold.v1.00"


class Sold(Event, name="shop.sold", key="item"):
    item: int


class Shelf(AbstractAsyncContextManager["Shelf"]):
    """A resource that records what handlers put on it."""

    def __init__(self) -> None:
        self.items: list[int] = []

    @override
    async def __aexit__(self, *_: object) -> None: ...


def counts(item: int) -> Write:
    """Return a write that counts an item by one each time it is committed."""
    return Write(COUNT, (item,))


@pytest.fixture
def router() -> Router:
    """A router that counts each item that was sold, in `things`."""
    router = Router("shop")

    @router.on(Sold, durable="shop-books", retry=Retry(first=0.01, longest=0.02))
    async def book(event: Sold, delivery: Delivery) -> None:
        await delivery.commit(counts(event.item))

    return router


async def counted(sql: Sql) -> dict[int, int]:
    return dict(await sql("select id, value from things"))


async def inbox(sql: Sql) -> list[tuple[str, str, str, str]]:
    rows = await sql(f"select durable, source, id, state from {KNOWN} order by id")
    return [(durable, source, name_in(id_), state) for durable, source, id_, state in rows]


async def publish(client: Client, item: int, id_: str, copy: int = 0, **headers: str) -> None:
    """Publish as the service does, or a further copy under the same id, which contains `id_`."""
    given = {"ce-id": named_id(id_), "ce-source": "shop", "ce-type": "dev.tallystick.shop.sold.v1"}
    given |= {"Nats-Msg-Id": f"{id_}:{copy}", "ce-subject": str(item)}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    await client.jetstream().publish(SUBJECT, b'{"item":%d}' % item, headers=given)


async def test_a_committed_event_is_published_and_done(
    run: Run, router: Router, sql: Sql, settled: Settled
) -> None:
    async with run(router) as runtime:
        await runtime.parts.database.commit(counts(7), Sold(item=1), Sold(item=2))
        await eventually(lambda: runtime.parts.outbox._sending.idle)
        await settled("shop-books")
    assert await counted(sql) == {7: 1, 1: 1, 2: 1}
    known = await sql(f"select durable, source, state from {KNOWN}")
    assert [tuple(row) for row in known] == [("shop-books", "shop", "done")] * 2
    assert await sql("select from tallystick.outbox where sent_at is null") == []
    assert await sql("select from tallystick.deferred") == []


async def test_a_unit_that_is_not_committed_publishes_nothing(
    run: Run, router: Router, client: Client, sql: Sql
) -> None:
    async with run(router) as runtime:
        guarded = Write("update things set value = 1 where id = 1 returning id", (), 1)
        with pytest.raises(Conflict):
            await runtime.parts.database.commit(Sold(item=1), guarded)
        with pytest.raises(asyncpg.CheckViolationError):
            await runtime.parts.database.commit(
                Sold(item=1), Write("insert into things (id, value) values (1, 13)")
            )
    assert await sql("select from tallystick.outbox") == []
    assert (await client.jetstream().stream_info("SHOP")).state.messages == 0


@pytest.mark.parametrize("trusts", [True, False])
async def test_an_event_delivered_twice_takes_effect_once(
    run: Run, router: Router, client: Client, sql: Sql, settled: Settled, trusts: bool
) -> None:
    async with run(router, trusts=trusts):
        for copy in range(3):
            await publish(client, 1, "a", copy)
        await settled("shop-books")
    assert await counted(sql) == {1: 1}
    assert await inbox(sql) == [("shop-books", "shop", "a", "done")]


async def test_an_event_whose_ack_was_lost_takes_effect_once(
    run: Run,
    router: Router,
    client: Client,
    sql: Sql,
    settled: Settled,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[int] = []
    send_empty = Wire.send_empty

    def lose_the_first(wire: Wire, acks: Sequence[bytes]) -> None:
        answers.extend(int(ack.split(b".")[4]) for ack in acks)
        if len(answers) > 1:
            send_empty(wire, acks)

    monkeypatch.setattr(Wire, "send_empty", lose_the_first)
    async with run(router, ack_wait_s=0.3):
        await publish(client, 1, "a")
        await settled("shop-books")
    assert answers == [1, 2]
    assert await counted(sql) == {1: 1}


async def test_an_event_is_acknowledged_only_after_its_commit(
    run: Run, router: Router, client: Client, sql: Sql, settled: Settled, until: Until
) -> None:
    await sql("create sequence if not exists losses")
    await sql("alter sequence losses restart")
    await sql(
        """create or replace function lose() returns trigger as $$ begin
        if nextval('losses') = 1 then perform pg_terminate_backend(pg_backend_pid()); end if;
        return null; end $$ language plpgsql"""
    )
    await sql("create trigger lose after insert on things for each row execute function lose()")
    with capture_logs() as lines:
        async with run(router, ack_wait_s=0.3):
            await publish(client, 1, "a")
            await settled("shop-books")
            await until("exists (select from things where value = 1)")
    assert "delivery deferred" in [line["event"] for line in lines]


async def test_an_event_whose_commit_was_in_doubt_takes_effect_once(
    run: Run,
    router: Router,
    client: Client,
    sql: Sql,
    settled: Settled,
    database_url: str,
    cut_at: Callable[..., Any],
) -> None:
    async with cut_at(database_url, b"commit\0") as url, run(router, database_url=url):
        await publish(client, 1, "a")
        await settled("shop-books")
    assert await counted(sql) == {1: 1}
    assert await inbox(sql) == [("shop-books", "shop", "a", "done")]


async def test_a_redelivered_event_that_the_inbox_does_not_know_is_deferred_and_then_done(
    run: Run, router: Router, client: Client, sql: Sql, settled: Settled, until: Until
) -> None:
    await reconcile(client, [declared(router, ack_wait_s=1)])
    await publish(client, 1, "a")
    other = await client.jetstream().pull_subscribe_bind("shop-books", "SHOP")
    for message in await other.fetch(1):
        await message.nak()
    async with run(router):
        await settled("shop-books")
        await until("exists (select from things where value = 1)")
        await until(NOTHING_HELD)
    attempts = await sql("select lease, outcome from tallystick.attempts")
    assert [tuple(attempt) for attempt in attempts] == [(0, "deferred")]
    assert await inbox(sql) == [("shop-books", "shop", "a", "done")]


async def test_a_durable_that_is_created_again_reads_all_again_and_changes_nothing(
    run: Run, router: Router, client: Client, sql: Sql, settled: Settled
) -> None:
    async with run(router):
        for item in range(20):
            await publish(client, item, str(item))
        await settled("shop-books")
        await client.jetstream().delete_consumer("SHOP", "shop-books")
        await reconcile(client, [declared(router, ack_wait_s=1)])
        await settled("shop-books")
    assert await counted(sql) == dict.fromkeys(range(20), 1)


async def test_a_durable_of_another_kind_is_not_read(
    run: Run, router: Router, client: Client, sql: Sql, until: Until
) -> None:
    jetstream = client.jetstream()
    await jetstream.add_stream(name="SHOP", subjects=["evt.shop.>"])
    other = ConsumerConfig(durable_name="shop-books", ack_policy=AckPolicy.NONE)
    await jetstream.add_consumer("SHOP", other)
    with capture_logs() as lines:
        async with run(router, reads=False):
            await publish(client, 1, "a")
            await eventually(lambda: "durable not ready" in {line["event"] for line in lines})
            assert await counted(sql) == {}
            await jetstream.delete_consumer("SHOP", "shop-books")
            await reconcile(client, [declared(router, ack_wait_s=1)])
            await until("exists (select from things where value = 1)")
    assert "ack_policy is 'none', declared is 'explicit'" in str(lines)


async def test_replicas_share_the_work_and_do_none_of_it_twice(
    run: Run, router: Router, client: Client, sql: Sql, settled: Settled, until: Until
) -> None:
    async with AsyncExitStack() as replicas:
        for _ in range(3):
            await replicas.enter_async_context(run(router))
        await asyncio.gather(
            *(publish(client, n, str(n), copy) for n in range(100) for copy in (0, 1))
        )
        await settled("shop-books")
        await until(NOTHING_HELD)
    assert await counted(sql) == dict.fromkeys(range(100), 1)


async def test_each_durable_does_an_event_for_itself(
    run: Run, router: Router, client: Client, sql: Sql, settled: Settled
) -> None:
    @router.on(Sold, durable="shop-thanks")
    async def thank(event: Sold, delivery: Delivery) -> None:
        await delivery.commit(counts(event.item + 100))

    async with run(router):
        await publish(client, 1, "a")
        for durable in ("shop-books", "shop-thanks"):
            await settled(durable)
    assert await counted(sql) == {1: 1, 101: 1}


async def test_a_handler_that_commits_nothing_is_done_too(
    run: Run, client: Client, sql: Sql, settled: Settled
) -> None:
    router, shelf = Router("shop"), Shelf()

    @router.on(Sold, durable="shop-shelf")
    async def shelve(event: Sold, delivery: Delivery, shelf: Shelf) -> None:
        shelf.items.append(event.item)

    async with run(router, resources=(shelf,)):
        for copy in range(2):
            await publish(client, 1, "a", copy)
            await settled("shop-shelf")
    assert shelf.items[0] == 1
    assert await inbox(sql) == [("shop-shelf", "shop", "a", "done")]


async def test_an_idempotent_handler_that_succeeds_stores_no_inbox_row(
    run: Run, client: Client, sql: Sql, settled: Settled, until: Until
) -> None:
    router, shelf = Router("shop"), Shelf()

    @router.on(Sold, durable="shop-shelf", idempotent=True, retry=Retry(first=0.01, longest=0.01))
    async def shelve(event: Sold, delivery: Delivery, shelf: Shelf) -> None:
        shelf.items.append(event.item)
        if shelf.items == [1, 2]:
            raise ValueError

    async with run(router, resources=(shelf,)):
        for item in (1, 2):
            await publish(client, item, str(item))
            await settled("shop-shelf")
        await eventually(lambda: shelf.items == [1, 2, 2])
        await until(NOTHING_HELD)
    assert await inbox(sql) == [("shop-shelf", "shop", "2", "done")]


async def test_a_conflict_lets_the_handler_read_and_decide_again(
    run: Run, client: Client, sql: Sql, settled: Settled
) -> None:
    router, shelf = Router("shop"), Shelf()
    await sql("insert into things (id, value) values (1, 0)")

    @router.on(Sold, durable="shop-shelf")
    async def shelve(event: Sold, delivery: Delivery, shelf: Shelf) -> None:
        row = await delivery.database.get("select id, value from things where id = any($1)", 1)
        assert row is not None
        shelf.items.append(row["value"])
        if len(shelf.items) == 1:
            await sql("update things set value = 50 where id = 1")
        update = "update things set value = value + 1 where id = 1 and value = $1 returning id"
        await delivery.commit(Write(update, (row["value"],), 1))

    async with run(router, resources=(shelf,)):
        await publish(client, 1, "a")
        await settled("shop-shelf")
    assert shelf.items == [0, 50]
    assert await counted(sql) == {1: 51}
    assert await sql("select from tallystick.attempts") == []


async def test_a_delivery_may_have_a_transaction_of_its_own(
    run: Run, client: Client, sql: Sql, settled: Settled
) -> None:
    router = Router("shop")
    await sql("insert into things (id, value) values (1, 5)")

    class Shelved(Event, name="shop.shelved", key="item"):
        item: int

    @router.on(Sold, durable="shop-shelf")
    async def shelve(event: Sold, delivery: Delivery) -> None:
        async with delivery.transaction() as transaction:
            (row,) = await transaction.fetch("select value from things where id = 1 for update")
            await transaction.execute("update things set value = $1", row["value"] + 1)
            transaction.add(Shelved(item=event.item))

    async with run(router):
        for copy in range(3):
            await publish(client, 1, "a", copy)
        await settled("shop-shelf")
    assert await counted(sql) == {1: 6}
    ((correlation_id, sent),) = await sql(
        "select correlation_id, sent_at is not null from tallystick.outbox"
    )
    assert (correlation_id, sent) == (named_id("a"), True)


async def test_an_event_without_headers_is_identified_by_its_stream_and_sequence(
    run: Run, router: Router, client: Client, sql: Sql, settled: Settled
) -> None:
    async with run(router):
        headers = {"ce-type": "dev.tallystick.shop.sold.v1"}
        ack = await client.jetstream().publish(SUBJECT, b'{"item":1}', headers=headers)
        await settled("shop-books")
    assert await counted(sql) == {1: 1}
    ((known,),) = await sql("select digest from tallystick.foreign_inbox")
    assert known == digest("stream:SHOP", str(ack.seq))


async def test_an_event_of_another_release_waits_for_a_release_that_knows_it(
    run: Run, router: Router, client: Client, sql: Sql, settled: Settled, until: Until
) -> None:
    class SoldLater(Event, name="shop.sold", version=2, key="item"):
        item: int

    later = Router("shop")

    @later.on(SoldLater, Sold, durable="shop-books")
    async def book(event: SoldLater | Sold, delivery: Delivery) -> None:
        await delivery.commit(counts(event.item))

    async with run(router):
        await publish(client, 1, "a", ce_type="dev.tallystick.shop.sold.v2")
        await settled("shop-books")
        ((state, error),) = await sql("select state, error_type from tallystick.deferred")
        assert (state, error) == ("waiting", "UnknownType")
    await sql("update tallystick.deferred set due_at = now()")
    async with run(later):
        await until("exists (select from things where value = 1)")


async def test_a_deferred_event_that_is_republished_changes_nothing(
    run: Run, client: Client, sql: Sql, settled: Settled
) -> None:
    router = Router("shop")

    @router.on(Sold, durable="shop-shelf", retry=Retry(first=60, longest=60))
    async def shelve(event: Sold, delivery: Delivery) -> None:
        raise ValueError

    async with run(router):
        await publish(client, 1, "a")
        await settled("shop-shelf")
        before = await sql("select * from tallystick.deferred")
        await publish(client, 1, "a", 1, tally_republication="1")
        await settled("shop-shelf")
        assert await sql("select * from tallystick.deferred") == before


async def test_a_service_without_handlers_is_live_and_publishes(
    run: Run, client: Client, sql: Sql
) -> None:
    async with run(Router("shop")) as runtime:
        await runtime.parts.database.commit(Sold(item=1))
        await eventually(lambda: runtime.parts.outbox._sending.idle)
        assert runtime.live()[0]
    assert (await client.jetstream().stream_info("SHOP")).state.messages == 1
