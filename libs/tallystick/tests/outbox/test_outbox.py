import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from nats.aio.client import Client
from structlog.testing import capture_logs

from tallystick._broker import publisher
from tallystick._broker.connection import Connection
from tallystick._database.postgres import Postgres
from tallystick._database.units import Unit, Write
from tallystick._messages.envelope import OutboxRow, header_lines
from tallystick._outbox import sending
from tallystick._outbox.outbox import Outbox, insert
from tallystick._telemetry.metrics import OUTBOX_AGE, OUTBOX_PENDING
from tallystick.testing import NatsServer, eventually, nats_server
from tallystick.testing.ids import name_in, named_id

Sql = Callable[..., Awaitable[list[Any]]]
SUBJECT = "evt.shop.sold.v1.00"


def row(
    id_: str, *, subject: str = SUBJECT, correlation_id: str = "cause", republication: int = 0
) -> OutboxRow:
    """A row whose id contains a name."""
    headers = header_lines({"ce-id": id_})
    type_ = subject.rpartition(".")[0]
    return OutboxRow(
        named_id(id_), subject, headers, b"{}", correlation_id, "mug", type_, republication
    )


@pytest.fixture(autouse=True)
async def stream(client: Client) -> None:
    await client.jetstream().add_stream(name="SHOP", subjects=["evt.shop.>"], allow_atomic=True)


@pytest.fixture
def outbox(database: Postgres, broker: Connection) -> Outbox:
    return Outbox(database, broker, "shop")


@pytest.fixture
def store(database: Postgres, sql: Sql) -> Callable[..., Awaitable[None]]:
    """Stores rows, as if they had been committed five seconds ago."""

    async def store(*rows: OutboxRow, ago: float = 5) -> None:
        await database.deliveries.submit(Unit((), tuple(map(_inserted, rows))))
        age = f"now() - interval '{ago} s'"
        await sql(
            f"update tallystick.outbox set queued_at = {age}, stored_at = {age},"
            f" due_at = {age} + interval '2 seconds'"
        )

    return store


Store = Callable[..., Awaitable[None]]


def _inserted(row: OutboxRow) -> Write:
    """The write that stores a row, as if its id had been made now."""
    write = insert(row)
    return Write(
        write.sql, (*write.args[:-1], time.time_ns() // 1_000_000), write.guard, arrays=True
    )


async def published(client: Client) -> list[str]:
    """The names in the stream, in their order."""
    jetstream = client.jetstream()
    state = (await jetstream.stream_info("SHOP")).state
    if not state.messages:
        return []
    numbers = range(state.first_seq, state.last_seq + 1)
    found = [await jetstream.get_msg("SHOP", number) for number in numbers]
    return [(message.headers or {})["ce-id"] for message in found]


async def unsent(sql: Sql) -> list[str]:
    rows = await sql("select id from tallystick.outbox where sent_at is null order by id")
    return [name_in(row[0]) for row in rows]


async def test_what_was_committed_is_published_at_once_and_marked(
    outbox: Outbox, client: Client, sql: Sql, store: Store
) -> None:
    rows = [row(str(number)) for number in range(5)]
    await store(*rows, ago=0)
    outbox.send(rows)
    await outbox.drain()
    assert await published(client) == ["0", "1", "2", "3", "4"]
    assert await unsent(sql) == []


async def test_no_more_rows_are_in_memory_than_the_bound_and_the_sweep_publishes_the_rest(
    outbox: Outbox, client: Client, sql: Sql, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "QUEUE", 300)
    rows = [row(f"{number:04}") for number in range(1000)]
    await store(*rows)
    outbox.send(rows)
    assert sum(map(len, outbox._sending._queues.values())) <= 300
    await outbox.drain()
    assert len(await unsent(sql)) == 700
    await outbox.sweep()
    assert len(set(await published(client))) == 1000


async def test_the_sweep_publishes_what_nobody_published(
    outbox: Outbox, client: Client, sql: Sql, store: Store
) -> None:
    await store(*(row(f"{number:03}") for number in range(600)))
    await outbox.sweep()
    assert len(set(await published(client))) == 600
    assert await unsent(sql) == []


async def test_the_sweep_leaves_what_was_just_committed_to_who_committed_it(
    outbox: Outbox, client: Client, sql: Sql, store: Store
) -> None:
    await store(row("1"), ago=1)
    await outbox.sweep()
    assert await published(client) == []
    assert await unsent(sql) == ["1"]


async def test_what_another_replica_publishes_meanwhile_is_stored_once(
    outbox: Outbox, database: Postgres, broker: Connection, client: Client, sql: Sql, store: Store
) -> None:
    rows = [row(f"{number:03}") for number in range(50)]
    await store(*rows)
    outbox.send(rows[20:40])
    await asyncio.gather(outbox.sweep(), Outbox(database, broker, "shop").sweep())
    await outbox.drain()
    assert sorted(await published(client)) == [name_in(row.id) for row in rows]
    assert await unsent(sql) == []


async def test_a_sweep_passes_over_what_another_one_has_in_hand(
    outbox: Outbox, database: Postgres, client: Client, store: Store
) -> None:
    await store(row("1"), row("2"))
    async with database.connection() as other:
        await other.fetch("select from tallystick.outbox where id = $1 for update", named_id("1"))
        await outbox.sweep()
        assert await published(client) == ["2"]


async def test_a_row_that_was_sent_and_not_marked_is_stored_once(
    outbox: Outbox, client: Client, sql: Sql, store: Store
) -> None:
    await store(row("1"), row("2"))
    await outbox._sending.store([row("1")])
    await outbox.sweep()
    assert sorted(await published(client)) == ["1", "2"]
    assert await unsent(sql) == []


@pytest.mark.parametrize("many", [3, 300])
async def test_rows_that_cannot_be_sent_do_not_stop_the_others(
    outbox: Outbox, client: Client, sql: Sql, store: Store, many: int
) -> None:
    stuck = [row(f"a{number:03}", subject="dlq.shop.books.x") for number in range(many)]
    await store(*stuck, ago=60)
    await store(*(row(f"b{number}") for number in range(3)))
    await sql(
        "update tallystick.outbox set due_at = now() - interval '1 h' where id < $1", named_id("b0")
    )
    with capture_logs() as lines:
        await outbox.sweep()
    assert sorted(await published(client)) == ["b0", "b1", "b2"]
    assert await unsent(sql) == [name_in(row.id) for row in stuck]
    assert "no stream takes this subject" in str(lines)


async def test_a_full_stream_leaves_rows_until_there_is_room(
    outbox: Outbox, client: Client, sql: Sql, store: Store
) -> None:
    jetstream = client.jetstream()
    config = (await jetstream.stream_info("SHOP")).config.evolve(discard="new", max_msgs=1)
    await jetstream.update_stream(config)
    await store(row("1"), row("2"))
    await outbox.sweep()
    assert await unsent(sql) == ["2"]
    await jetstream.purge_stream("SHOP")
    await outbox.sweep()
    assert await unsent(sql) == []


async def test_only_the_republication_that_was_published_is_marked(
    outbox: Outbox, sql: Sql, store: Store
) -> None:
    await store(row("1"), row("2"))
    await sql("update tallystick.outbox set republication = 1 where id = $1", named_id("2"))
    outbox.send([row("1"), row("2")])
    await outbox.drain()
    assert await unsent(sql) == ["2"]


async def test_a_mark_that_the_database_refuses_ends_nothing(
    outbox: Outbox, sql: Sql, store: Store
) -> None:
    await store(row("1"))
    await sql(
        """create or replace function deadlock() returns trigger as $$
        begin raise exception '' using errcode = 'deadlock_detected'; end $$ language plpgsql"""
    )
    await sql("create trigger t before update on tallystick.outbox execute function deadlock()")
    marking = asyncio.create_task(outbox.mark())
    try:
        with capture_logs() as lines:
            outbox.send([row("1")])
            await eventually(lambda: bool(lines))
        assert [line["event"] for line in lines] == ["outbox mark failed"]
        assert not marking.done()
    finally:
        await sql("drop trigger t on tallystick.outbox")
    await outbox.sweep()
    assert await unsent(sql) == []
    marking.cancel()


async def test_a_drain_waits_for_the_marks_that_are_on_their_way(
    outbox: Outbox, database: Postgres, sql: Sql, store: Store
) -> None:
    await store(row("1"))
    outbox.send([row("1")])
    await eventually(lambda: outbox._sending.idle)
    async with database.connection() as other:
        await other.fetch("select from tallystick.outbox for update")
        marking = asyncio.create_task(outbox.flush())
        await eventually(outbox._marking.locked)
        draining = asyncio.create_task(outbox.drain())
        await asyncio.wait([draining], timeout=0.1)
        assert not draining.done()
    await draining
    assert await unsent(sql) == []
    await marking


async def test_a_mark_that_waits_for_the_database_is_made_when_it_is_back(
    outbox: Outbox, database: Postgres, sql: Sql, store: Store
) -> None:
    await store(row("1"))
    outbox.send([row("1")])
    await database.close()
    with capture_logs() as lines:
        await outbox.drain()
    assert "outbox mark failed" in str(lines)
    assert await unsent(sql) == ["1"]


async def test_the_backlog_is_measured(outbox: Outbox, broker: Connection, store: Store) -> None:
    await store(row("1"), row("2"), ago=60)
    broker.connected.clear()
    await outbox.sweep()
    assert OUTBOX_PENDING._value.get() == 2
    assert OUTBOX_AGE._value.get() == pytest.approx(60, abs=10)


@pytest.fixture(scope="module")
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with nats_server(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
async def alone(own_server: NatsServer) -> AsyncIterator[Connection]:
    broker = Connection(own_server.url, "shop")
    await broker.connect()
    await broker.client.jetstream().add_stream(
        name="SHOP", subjects=["evt.shop.>"], allow_atomic=True
    )
    yield broker
    await broker.close()


async def test_rows_wait_while_the_broker_is_away(
    database: Postgres,
    alone: Connection,
    own_server: NatsServer,
    sql: Sql,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publisher, "CONFIRM_WITHIN", 0.5)
    outbox = Outbox(database, alone, "shop")
    rows = [row(f"{number:03}") for number in range(300)]
    await store(*rows)
    own_server.kill()
    outbox.send(rows)
    await outbox.sweep()
    await eventually(lambda: not alone.connected.is_set())
    await outbox.drain()
    assert len(await unsent(sql)) == 300
    await asyncio.to_thread(own_server.start)
    await eventually(alone.connected.is_set)
    await outbox.sweep()
    assert await unsent(sql) == []
    assert sorted(await published(alone.client)) == [name_in(row.id) for row in rows]
