"""A call that acts once it is awaited, and never was, is an error that somebody sees."""

# mypy: disable-error-code="unused-coroutine"
# What it says is right, and what these tests are about.

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from tallystick import Database, Delivery, Event, Retry, Router, Write
from tallystick._service.runtime import Runtime
from tallystick.errors import CommittedTwice, NotAwaited
from tallystick.testing import Harness, eventually

Sql = Callable[..., Awaitable[list[Any]]]
Run = Callable[..., AbstractAsyncContextManager[Runtime]]
Until = Callable[[str], Awaitable[None]]
Handler = Callable[..., Awaitable[None]]

pytestmark = pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
LATER: list[BaseException | None] = []


class Sold(Event, name="shop.sold", key="item"):
    item: int


def put(item: int) -> Write:
    return Write("insert into things (id) values ($1)", (item,))


def routing(handler: Handler) -> Router:
    router = Router("shop")
    router.on(Sold, durable="shop-books", retry=Retry(attempts=1))(handler)
    return router


def counted(call: str) -> float:
    return REGISTRY.get_sample_value("messaging_not_awaited_total", {"call": call}) or 0


async def forgets_its_commit(event: Sold, delivery: Delivery) -> None:
    delivery.commit(put(1))


async def keeps_its_commit(event: Sold, delivery: Delivery) -> None:
    _ = delivery.commit(put(1))


async def leaves_its_commit_to_a_task(event: Sold, delivery: Delivery) -> None:
    task = asyncio.create_task(delivery.commit(put(1)))
    task.add_done_callback(lambda task: LATER.append(task.exception()))


async def forgets_that_of_the_database(event: Sold, delivery: Delivery, database: Database) -> None:
    database.commit(put(1))


async def forgets_a_statement(event: Sold, delivery: Delivery) -> None:
    async with delivery.transaction() as transaction:
        transaction.execute("insert into things (id) values (1)")


@pytest.mark.parametrize(
    ("handler", "call"),
    [
        (forgets_its_commit, "delivery.commit"),
        (keeps_its_commit, "delivery.commit"),
        (leaves_its_commit_to_a_task, "delivery.commit"),
        (forgets_that_of_the_database, "database.commit"),
        (forgets_a_statement, "a statement of this transaction"),
    ],
)
async def test_a_handler_that_lacks_an_await_makes_a_dead_letter_that_says_so(
    run: Run, sql: Sql, until: Until, handler: Handler, call: str
) -> None:
    async with run(routing(handler)) as runtime:
        await runtime.parts.database.commit(Sold(item=1))
        await until("exists (select from tallystick.deferred where state = 'dead')")
    assert await sql("select id from things") == []
    ((kind, error),) = await sql("select error_type, error from tallystick.deferred")
    assert kind == "NotAwaited"
    assert f"await is missing before {call}" in error


async def test_a_commit_in_a_task_that_outlives_its_handler_is_refused(run: Run, sql: Sql) -> None:
    LATER.clear()
    async with run(routing(leaves_its_commit_to_a_task)) as runtime:
        await runtime.parts.database.commit(Sold(item=1))
        await eventually(lambda: len(LATER) == 1)
    assert isinstance(LATER[0], CommittedTwice)
    assert await sql("select id from things") == []


async def test_a_handler_is_told_the_durable_and_the_place(
    run: Run, sql: Sql, until: Until
) -> None:
    async with run(routing(forgets_its_commit)) as runtime:
        await runtime.parts.database.commit(Sold(item=1))
        await until("exists (select from tallystick.deferred where state = 'dead')")
    line = forgets_its_commit.__code__.co_firstlineno + 1
    ((error,),) = await sql("select error from tallystick.deferred")
    place = f"await is missing before delivery.commit (test_awaiting.py:{line})"
    assert error == f"shop-books: {place}: nothing of it was done"


async def test_a_second_call_that_is_not_awaited_is_reported_as_after_the_commit(
    run: Run, sql: Sql
) -> None:
    async def handler(event: Sold, delivery: Delivery, database: Database) -> None:
        database.commit(put(1))
        await delivery.commit(put(2))

    with capture_logs() as lines:
        async with run(routing(handler)) as runtime:
            await runtime.parts.database.commit(Sold(item=1))
            await eventually(
                lambda: any(line["event"] == "handler failed after commit" for line in lines)
            )
    assert [row[0] for row in await sql("select id from things")] == [2]


async def test_a_call_that_nobody_awaits_is_logged_with_its_place_and_counted(run: Run) -> None:
    async with run(routing(forgets_its_commit)) as runtime:
        before = counted("database.commit"), counted("broker.publish")
        with capture_logs() as lines:
            runtime.parts.database.commit(put(1))
            runtime.parts.broker.publish(Sold(item=1))
        assert (counted("database.commit"), counted("broker.publish")) == tuple(
            number + 1 for number in before
        )
    said = [(line["event"], line["call"], line["log_level"]) for line in lines]
    assert said == [
        ("call not awaited", "database.commit", "error"),
        ("call not awaited", "broker.publish", "error"),
    ]
    assert all(line["at"].startswith("test_awaiting.py:") for line in lines)


async def test_a_commit_can_be_a_task_or_one_of_several(run: Run, sql: Sql) -> None:
    async with run(routing(forgets_its_commit)) as runtime:
        database = runtime.parts.database
        async with asyncio.TaskGroup() as group:
            group.create_task(database.commit(put(1)))
        await asyncio.gather(database.commit(put(2)), database.commit(put(3)))
        await asyncio.wait_for(database.commit(put(4)), 5)
    assert [row[0] for row in await sql("select id from things order by id")] == [1, 2, 3, 4]


@pytest.mark.parametrize("handler", [forgets_its_commit, forgets_a_statement])
async def test_the_harness_raises_what_a_service_would(handler: Handler) -> None:
    with pytest.raises(NotAwaited):
        await Harness(routing(handler)).give(Sold(item=1))
