"""A commit drops nothing that it is given, and every error after it is shown."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from tallystick import Conflict, Database, Delivery, Event, Retry, Router, TemporaryError, Write
from tallystick._service.runtime import Runtime
from tallystick.errors import CommittedTwice, DeclarationError, InvalidMessage
from tallystick.testing import Harness, eventually
from tallystick.testing.known import KNOWN

Sql = Callable[..., Awaitable[list[Any]]]
Run = Callable[..., AbstractAsyncContextManager[Runtime]]
Settled = Callable[..., Awaitable[None]]
Until = Callable[[str], Awaitable[None]]
Handler = Callable[[Any, Delivery], Awaitable[None]]

ONCE = Retry(attempts=1)


class Sold(Event, name="shop.sold", key="item"):
    item: int


def put(item: int) -> Write:
    return Write("insert into things (id) values ($1)", (item,))


def routing(handler: Handler) -> Router:
    router = Router("shop")
    router.on(Sold, durable="shop-books", retry=ONCE)(handler)
    return router


def late() -> float:
    labels = {"durable": "shop-books"}
    return REGISTRY.get_sample_value("messaging_failed_after_commit_total", labels) or 0


async def later() -> Write:
    return put(1)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ([put(1), Sold(item=2)], r"not a list of them: did you forget the \*\?"),
        ((put(1),), r"did you forget the \*\?"),
        ((put(n) for n in [1]), r"did you forget the \*\?"),
        (Sold, "not a MessageMeta"),
        (None, "not a NoneType"),
        ("insert into things", "not a str"),
        (Write("insert into things (code) values ($1)", "a"), "are a str, not a tuple"),  # type: ignore[arg-type]  # what it is about
        (Write("insert into things (id) values ($1)", 7), "are a int, not a tuple"),  # type: ignore[arg-type]  # what it is about
    ],
)
async def test_an_object_that_is_not_a_part_is_refused_by_every_commit(
    run: Run, sql: Sql, until: Until, part: Any, says: str
) -> None:
    async def forgets(event: Sold, delivery: Delivery) -> None:
        await delivery.commit(put(7), part)

    async with run(routing(forgets)) as runtime:
        database = runtime.parts.database
        with pytest.raises(TypeError, match=says):
            await database.commit(put(8), part)
        await database.commit(Sold(item=3))
        await until("exists (select from tallystick.deferred where state = 'dead')")
    assert await sql("select id from things") == []
    (dead_letter,) = await sql("select error_type, reason from tallystick.deferred")
    assert tuple(dead_letter) == ("TypeError", "exhausted")


@pytest.mark.parametrize("part", [[Sold(item=1)], put(1), Sold])
async def test_an_object_that_is_not_a_message_is_refused_by_a_transaction(
    run: Run, sql: Sql, part: Any
) -> None:
    async def books(event: Sold, delivery: Delivery) -> None: ...

    async with run(routing(books)) as runtime:
        with pytest.raises(TypeError, match="is not a message"):
            async with runtime.parts.database.transaction() as tx:
                tx.add(part)
    assert await sql("select id from things") == []


async def test_a_delay_that_is_not_a_number_ends_in_a_dead_letter(
    run: Run, until: Until, sql: Sql
) -> None:
    async def waits(event: Sold, delivery: Delivery) -> None:
        raise TemporaryError("not now", delay=timedelta(seconds=5))  # type: ignore[arg-type]  # what it is about

    async with run(routing(waits)) as runtime:
        await runtime.parts.database.commit(Sold(item=1))
        await until("exists (select from tallystick.deferred where state = 'dead')")
    assert [row[0] for row in await sql("select error_type from tallystick.deferred")] == [
        "TypeError"
    ]


async def test_a_list_of_messages_is_refused_by_the_broker_too(run: Run) -> None:
    async def books(event: Sold, delivery: Delivery) -> None: ...

    async with run(routing(books)) as runtime:
        several: Any = [Sold(item=1)]
        with pytest.raises(DeclarationError, match="is not a message class"):
            await runtime.parts.broker.publish(several)
        with pytest.raises(DeclarationError, match="is not a message class"):
            _ = runtime.parts.broker.history([Sold])  # type: ignore[arg-type]  # what it is about


async def test_a_coroutine_that_nobody_awaited_is_refused() -> None:
    coroutine = later()
    with pytest.raises(TypeError, match=r"did you forget await\?"):
        await _decided(lambda _, delivery: delivery.commit(coroutine))
    coroutine.close()


async def test_a_message_that_its_readers_could_not_read_is_not_stored(run: Run, sql: Sql) -> None:
    async def books(event: Sold, delivery: Delivery) -> None: ...

    async with run(routing(books)) as runtime:
        with pytest.raises(InvalidMessage, match="Sold: "):
            await runtime.parts.database.commit(put(1), Sold(item="many"))  # type: ignore[arg-type]  # what it is about
    assert await sql("select id from things") == []


async def _raises(_: Database, delivery: Delivery) -> None:
    raise ZeroDivisionError("after all")


async def _conflicts(database: Database, _: Delivery) -> None:
    await database.commit(Write("update things set value = 1 where id = 0 returning id", (), 0))


async def _commits_again(_: Database, delivery: Delivery) -> None:
    await delivery.commit(put(99))


async def _commits_again_and_suppresses_the_error(_: Database, delivery: Delivery) -> None:
    with pytest.raises(CommittedTwice):
        await delivery.commit(put(99))


async def _begins_a_transaction(_: Database, delivery: Delivery) -> None:
    async with delivery.transaction() as tx:
        await tx.execute("insert into things (id) values (99)")


@pytest.mark.parametrize(
    ("after", "error"),
    [
        (_raises, ZeroDivisionError),
        (_conflicts, Conflict),
        (_commits_again, CommittedTwice),
        (_commits_again_and_suppresses_the_error, CommittedTwice),
        (_begins_a_transaction, CommittedTwice),
    ],
)
async def test_an_error_after_the_commit_is_logged_and_counted_and_the_message_is_done(
    run: Run, sql: Sql, settled: Settled, after: Any, error: type[Exception]
) -> None:
    async def handler(event: Sold, delivery: Delivery) -> None:
        await delivery.commit(put(event.item))
        await after(delivery.database, delivery)

    before = late()
    with capture_logs() as lines:
        async with run(routing(handler)) as runtime:
            await runtime.parts.database.commit(Sold(item=1))
            await eventually(lambda: late() == before + 1)
            await settled("shop-books")
    (line,) = [line for line in lines if line["event"] == "handler failed after commit"]
    assert isinstance(line["exc_info"], error)
    assert [row[0] for row in await sql("select id from things")] == [1]
    assert [row[0] for row in await sql(f"select state from {KNOWN}")] == ["done"]
    assert await sql("select from tallystick.deferred") == []


async def test_a_harness_raises_the_error_that_a_handler_suppresses() -> None:
    async def twice(_: Sold, delivery: Delivery) -> None:
        await delivery.commit(put(1))
        await _commits_again_and_suppresses_the_error(delivery.database, delivery)

    with pytest.raises(CommittedTwice):
        await _decided(twice)


async def _decided(handler: Any) -> None:
    async def given(event: Sold, delivery: Delivery) -> None:
        await handler(event, delivery)

    await Harness(routing(given)).give(Sold(item=1))
