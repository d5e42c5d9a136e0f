"""An error is judged by where it comes from: a handler's own error is never taken for an outage."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from tallystick import (
    Delivery,
    Event,
    PermanentError,
    Retry,
    Router,
    TemporaryError,
    Write,
)
from tallystick._database import group
from tallystick._service.runtime import Runtime

Sql = Callable[..., Awaitable[list[Any]]]
Run = Callable[..., AbstractAsyncContextManager[Runtime]]
Until = Callable[[str], Awaitable[None]]
Act = Callable[[Delivery, int], Awaitable[None]]

ADD = "insert into things (id) values ($1)"
SLOW = "insert into things (id) select $1 from pg_sleep(1)"
MANY, FAILING = 20, 7
DEAD = """exists (select from tallystick.deferred
where state = 'dead' and reason = 'exhausted' and attempts = 3)"""


class Sold(Event, name="shop.sold", key="item"):
    item: int


def reader(failing: Act) -> Router:
    """A router that stores each item that was sold; `failing` handles one of them."""
    router = Router("shop")

    @router.on(Sold, durable="shop-books", retry=Retry(attempts=3, first=0.01, longest=0.02))
    async def book(event: Sold, delivery: Delivery) -> None:
        if event.item == FAILING:
            await failing(delivery, event.item)
        else:
            await delivery.commit(Write(ADD, (event.item,)))

    return router


async def in_its_unit(delivery: Delivery, item: int) -> None:
    await delivery.commit(Write(SLOW, (item,)))


async def in_a_query(delivery: Delivery, item: int) -> None:
    await delivery.database.fetch(SLOW, item)


async def in_a_transaction(delivery: Delivery, item: int) -> None:
    async with delivery.transaction() as transaction:
        await transaction.execute(SLOW, item)


async def only_the_failing_one_is_blamed(
    run: Run, failing: Act, until: Until, others_within: float = 5.0, **values: Any
) -> None:
    """Check that all others are done at once, one is dead, and no outage was logged."""
    with capture_logs() as lines:
        async with run(reader(failing), **values) as runtime:
            await runtime.parts.database.commit(*(Sold(item=item) for item in range(MANY)))
            async with asyncio.timeout(others_within):
                await until(f"(select count(*) = {MANY - 1} from things)")
            await until(DEAD)
            assert (await runtime.ready())[0]
            assert runtime.live()[0]
    assert "database lost" not in [line["event"] for line in lines]


@pytest.mark.parametrize("failing", [in_its_unit, in_a_query, in_a_transaction])
async def test_a_statement_that_the_server_cancels_is_blamed_on_its_handler(
    run: Run, database_url: str, failing: Act, until: Until
) -> None:
    url = f"{database_url}?statement_timeout=600"
    await only_the_failing_one_is_blamed(run, failing, until, database_url=url)


@pytest.mark.parametrize("failing", [in_its_unit, in_a_query, in_a_transaction])
async def test_a_statement_that_the_library_cancels_is_blamed_on_its_handler(
    run: Run, failing: Act, until: Until
) -> None:
    await only_the_failing_one_is_blamed(run, failing, until, statement_timeout_s=0.3)


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError("of a partner"),
        ConnectionRefusedError("by a partner"),
        asyncpg.InterfaceError("of a pool of its own"),
        asyncpg.ConnectionDoesNotExistError("of another database"),
        asyncpg.exceptions.AdminShutdownError("of another database"),
        asyncpg.exceptions.ReadOnlySQLTransactionError("of another database"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_error_of_a_transactions_block_is_the_handlers(
    run: Run, error: Exception, sql: Sql, until: Until
) -> None:
    async def raises(delivery: Delivery, _: int) -> None:
        async with delivery.transaction():
            raise error

    await only_the_failing_one_is_blamed(run, raises, until)
    (row,) = await sql("select error_type from tallystick.deferred")
    assert row[0] == type(error).__name__


async def test_a_missing_argument_in_a_transaction_is_the_handlers_error(
    run: Run, until: Until
) -> None:
    async def forgets(delivery: Delivery, _: int) -> None:
        async with delivery.transaction() as transaction:
            await transaction.fetch(ADD)

    await only_the_failing_one_is_blamed(run, forgets, until)


@pytest.mark.parametrize("error", [TimeoutError(), OSError(), asyncpg.InterfaceError("")])
async def test_a_routes_transaction_raises_the_error_of_its_block(
    run: Run, error: Exception
) -> None:
    async with run(Router("shop"), reads=False) as runtime:
        with pytest.raises(type(error)) as raised:
            async with runtime.parts.database.transaction():
                raise error
        assert raised.value is error
        assert runtime.parts.postgres.available.is_set()


async def test_only_a_message_that_kills_its_own_connection_is_deferred(
    run: Run, sql: Sql, until: Until
) -> None:
    async def kills(delivery: Delivery, _: int) -> None:
        async with delivery.transaction() as transaction:
            await transaction.fetch("select pg_terminate_backend(pg_backend_pid())")

    with capture_logs() as lines:
        async with run(reader(kills)) as runtime:
            await runtime.parts.database.commit(*(Sold(item=item) for item in range(MANY)))
            await until(f"(select count(*) = {MANY - 1} from things)")
            await until("(select lease > 8 from tallystick.deferred)")
    assert "database lost" not in [line["event"] for line in lines]
    held = await sql("select state, attempts, error_type from tallystick.deferred")
    assert [tuple(row) for row in held] == [("waiting", 0, "DatabaseUnavailable")]


async def test_a_unit_that_cannot_be_compared_is_blamed_alone(run: Run, until: Until) -> None:
    async def returns_an_array(delivery: Delivery, item: int) -> None:
        statement = "insert into things (id) values ($1) returning array[id]"
        await delivery.commit(Write(statement, (item,), guard=(item,)))

    await only_the_failing_one_is_blamed(run, returns_an_array, until)


async def test_several_slow_units_delay_no_other_unit(
    run: Run, sql: Sql, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "SHARED_STATEMENT_S", 0.2)
    router, slow = Router("shop"), 4

    @router.on(Sold, durable="shop-books", retry=Retry(attempts=1))
    async def book(event: Sold, delivery: Delivery) -> None:
        await asyncio.sleep(0.01 * event.item)  # each in a group of its own
        statement = SLOW.replace("1)", "30)") if event.item < slow else ADD
        await delivery.commit(Write(statement, (event.item,)))

    async with run(router, statement_timeout_s=2) as runtime:
        await runtime.parts.database.commit(*(Sold(item=item) for item in range(slow)))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(1.5):
            for item in range(slow, slow + 3):
                await runtime.parts.database.commit(Sold(item=item))
                await until(f"exists (select from things where id = {item})")
        assert await sql("select from tallystick.deferred") == []  # they still take their time


async def test_a_cancellation_of_the_handlers_own_is_its_error(
    run: Run, sql: Sql, until: Until
) -> None:
    async def cancels_its_own(_: Delivery, __: int) -> None:
        task = asyncio.create_task(asyncio.sleep(10))
        task.cancel()
        await task

    await only_the_failing_one_is_blamed(run, cancels_its_own, until)


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (PermanentError("closed"), "dead", "permanent"),
        (TemporaryError("not yet", delay=3600), "waiting", None),
        (ExceptionGroup("inner", [PermanentError("closed")]), "dead", "permanent"),
    ],
)
async def test_a_group_of_errors_of_one_class_counts_as_that_class(
    run: Run, sql: Sql, until: Until, error: Exception, state: str, reason: str | None
) -> None:
    async def fails() -> None:
        raise error

    async def in_a_group(_: Delivery, __: int) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(fails())

    async with run(reader(in_a_group)) as runtime:
        await runtime.parts.database.commit(Sold(item=FAILING))
        await until("exists (select from tallystick.deferred where replica is null)")
        held = await sql("select state, reason, attempts from tallystick.deferred")
    assert [(row[0], row[1]) for row in held] == [(state, reason)]


async def test_a_transaction_that_the_server_ends_as_idle_stops_no_other_message(
    run: Run, database_url: str, sql: Sql, until: Until
) -> None:
    async def dawdles(delivery: Delivery, item: int) -> None:
        async with delivery.transaction() as transaction:
            await asyncio.sleep(0.4)
            await transaction.execute(ADD, item)

    url = f"{database_url}?idle_in_transaction_session_timeout=100"
    with capture_logs() as lines:
        async with run(reader(dawdles), database_url=url) as runtime:
            await runtime.parts.database.commit(*(Sold(item=item) for item in range(MANY)))
            await until(f"(select count(*) = {MANY - 1} from things)")
            await until("exists (select from tallystick.attempts)")
    assert "database lost" not in [line["event"] for line in lines]


async def test_transactions_that_lock_each_other_are_done_in_the_end(
    run: Run, sql: Sql, until: Until
) -> None:
    router = Router("shop")
    await sql("insert into things (id) values (1000), (1001)")

    @router.on(Sold, durable="shop-books", retry=Retry(first=0.01, longest=0.1))
    async def book(event: Sold, delivery: Delivery) -> None:
        async with delivery.transaction() as transaction:
            first, second = (1000, 1001) if event.item % 2 else (1001, 1000)
            for row in (first, second):
                await transaction.execute("update things set value = value + 20 where id = $1", row)
                await asyncio.sleep(0.01)

    async with run(router) as runtime:
        await runtime.parts.database.commit(*(Sold(item=item) for item in range(6)))
        await until("(select bool_and(value = 120) from things)")
