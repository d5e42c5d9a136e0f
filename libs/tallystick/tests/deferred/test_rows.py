import dataclasses
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from tallystick import Conflict, Write
from tallystick._database.group import AlreadyProcessed
from tallystick._database.postgres import Postgres
from tallystick._database.units import Unit
from tallystick._deferred import rows as deferred_rows
from tallystick._deferred.rows import Deferred, Failure
from tallystick._messages.inbound import Inbound
from tallystick._messages.retry import GiveUp, RetryLater

Sql = Callable[..., Awaitable[list[Any]]]
DAY = timedelta(days=1)
MESSAGE = Inbound(
    "shop-books",
    "shop",
    "1",
    "evt.shop.sold.v1.00",
    b"NATS/1.0\r\na: b\r\n\r\n",
    b"\0{}",
    "SHOP",
    9,
)
FAILURE = Failure("ValueError", "no", "abc")


@pytest.fixture
def take(database: Postgres) -> Callable[[Write], Awaitable[None]]:
    """Commits a unit with this write as what makes it its own."""

    async def commit(write: Write) -> None:
        await database.deliveries.submit(Unit((), (), write))

    return commit


Take = Callable[[Write], Awaitable[None]]


def defer(message: Inbound = MESSAGE, *, replica: str | None = None) -> Write:
    return deferred_rows.defer(message, RetryLater(0, 0), give_up_after=DAY, replica=replica)


def claimed(lease: int = 1) -> Deferred:
    return Deferred(MESSAGE, lease, 0, 0, 0, DAY)


async def one(sql: Sql, columns: str) -> tuple[Any, ...]:
    (row,) = await sql(f"select {columns} from tallystick.held")
    return tuple(row)


async def states(sql: Sql) -> list[str]:
    return [row[0] for row in await sql("select state from tallystick.inbox")]


async def test_a_message_is_taken_in_once(take: Take, sql: Sql) -> None:
    await take(deferred_rows.received(MESSAGE))
    with pytest.raises(AlreadyProcessed):
        await take(deferred_rows.received(MESSAGE))
    await take(deferred_rows.received(replace(MESSAGE, durable="shop-thanks")))
    assert await states(sql) == ["done", "done"]


async def test_a_held_message_is_kept_whole(take: Take, sql: Sql) -> None:
    await take(defer())
    columns = "durable, source, id, subject, headers, body, stream, stream_sequence"
    assert Inbound(*await one(sql, columns)) == MESSAGE
    assert await one(sql, "state, claim, replica, attempts, lapses, deaths, due_at <= now()") == (
        *("retry", 0, None, 0, 0, 0),
        True,
    )
    assert await states(sql) == ["held"]


async def test_what_is_held_or_done_is_never_overwritten(take: Take, sql: Sql) -> None:
    await take(defer())
    with pytest.raises(AlreadyProcessed):
        await take(defer(replace(MESSAGE, body=b"other")))
    with pytest.raises(AlreadyProcessed):
        await take(deferred_rows.received(MESSAGE))
    assert await one(sql, "body") == (MESSAGE.body,)
    await sql("delete from tallystick.held")
    await sql("update tallystick.inbox set state = 'done'")
    with pytest.raises(AlreadyProcessed):
        await take(defer())
    assert await sql("select from tallystick.held") == []


async def test_what_failed_is_held_with_its_reason_and_its_delay(take: Take, sql: Sql) -> None:
    await take(deferred_rows.defer(MESSAGE, RetryLater(60, 1), give_up_after=DAY, failure=FAILURE))
    assert await one(
        sql, "claim, attempts, error_type, error, fingerprint, due_at > now() + interval '50 s'"
    ) == (2, 1, "ValueError", "no", "abc", True)


async def test_what_no_retry_mends_is_dead_from_the_start(take: Take, sql: Sql) -> None:
    await take(
        deferred_rows.defer(MESSAGE, GiveUp("schema", 0), give_up_after=DAY, failure=FAILURE)
    )
    assert await one(sql, "state, reason") == ("dead", "schema")


async def test_what_starts_with_its_commit_is_claimed_by_it(take: Take, sql: Sql) -> None:
    await take(defer(replica="me"))
    assert await one(sql, "claim, replica") == (1, "me")


async def test_an_end_removes_the_row_and_marks_it_done(take: Take, sql: Sql) -> None:
    await take(defer(replica="me"))
    await take(deferred_rows.end(claimed()))
    assert await sql("select from tallystick.held") == []
    assert await states(sql) == ["done"]


@pytest.mark.parametrize("lease", [0, 2])
async def test_who_lost_the_claim_changes_nothing(take: Take, sql: Sql, lease: int) -> None:
    await take(defer(replica="me"))
    with pytest.raises(AlreadyProcessed):
        await take(deferred_rows.end(claimed(lease)))
    with pytest.raises(AlreadyProcessed):
        await take(deferred_rows.failed(claimed(lease), GiveUp("exhausted", 1), FAILURE))
    assert await one(sql, "state, claim, replica") == ("retry", 1, "me")
    assert await states(sql) == ["held"]


@pytest.mark.parametrize("state", ["dead", "discarded"])
async def test_what_is_dead_cannot_be_ended(take: Take, sql: Sql, state: str) -> None:
    await take(defer(replica="me"))
    await sql("update tallystick.held set state = $1", state)
    with pytest.raises(AlreadyProcessed):
        await take(deferred_rows.end(claimed()))
    assert await states(sql) == ["held"]


async def test_a_failure_frees_the_claim_and_forgets_lapses(take: Take, sql: Sql) -> None:
    await take(defer(replica="me"))
    await sql("update tallystick.held set lapses = 3, deaths = 1")
    await take(deferred_rows.failed(claimed(), RetryLater(60, 2), FAILURE))
    columns = "state, claim, replica, attempts, lapses, deaths, error"
    assert await one(sql, columns) == ("retry", 2, None, 2, 0, 0, "no")
    assert await states(sql) == ["held"]


async def test_a_failure_may_be_the_end(take: Take, sql: Sql) -> None:
    await take(defer(replica="me"))
    await take(deferred_rows.failed(claimed(), GiveUp("exhausted", 8), FAILURE))
    assert await one(sql, "state, reason, attempts, replica") == ("dead", "exhausted", 8, None)


async def test_what_never_started_can_be_withdrawn(database: Postgres, sql: Sql) -> None:
    await database.deliveries.submit(Unit((defer(),)))
    await database.deliveries.submit(Unit((deferred_rows.withdraw(MESSAGE.key),)))
    assert await sql("select from tallystick.held") == []
    assert await states(sql) == ["done"]


@pytest.mark.parametrize(
    "since", ["claim = 1", "claim = 2, replica = null", "state = 'dead'", "state = 'suspect'"]
)
async def test_what_has_started_cannot_be_withdrawn(
    database: Postgres, sql: Sql, since: str
) -> None:
    await database.deliveries.submit(Unit((defer(),)))
    await sql(f"update tallystick.held set {since}")
    with pytest.raises(Conflict):
        await database.deliveries.submit(Unit((deferred_rows.withdraw(MESSAGE.key),)))
    assert len(await sql("select from tallystick.held")) == 1


async def test_what_was_withdrawn_is_never_stored_again(database: Postgres, sql: Sql) -> None:
    for write in (defer(), deferred_rows.withdraw(MESSAGE.key), defer()):
        await database.deliveries.submit(Unit((), (write,)))
    assert await sql("select from tallystick.held") == []


async def test_an_attempt_is_recorded_once_a_claim(database: Postgres, sql: Sql) -> None:
    for outcome in ("ValueError", "done"):
        write = deferred_rows.attempt(MESSAGE.key, 1, ("me", "1.0"), outcome, "no")
        await database.deliveries.submit(Unit((write,)))
    columns = "durable, source, id, claim, replica, version, outcome, error"
    (attempt,) = await sql(f"select {columns} from tallystick.attempts")
    assert tuple(attempt) == (*MESSAGE.key, 1, "me", "1.0", "ValueError", "no")


def raised(error: Exception) -> Exception:
    """The error with a traceback, as a handler's has."""

    def handler() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        handler()
    return caught.value


def test_a_failure_is_known_by_its_durable_type_and_place() -> None:
    one = Failure.of(raised(ValueError("a")), "shop-books")
    assert one == dataclasses.replace(Failure.of(raised(ValueError("b")), "shop-books"), error="a")
    prints = {
        one.fingerprint,
        Failure.of(raised(TypeError("a")), "shop-books").fingerprint,
        Failure.of(raised(ValueError("a")), "shop-thanks").fingerprint,
        Failure.of(ValueError("a"), "shop-books").fingerprint,
    }
    assert len(prints) == 4
    assert one.error_type == "ValueError"


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 100_000, ""])
async def test_every_error_text_can_be_stored(take: Take, sql: Sql, text: str) -> None:
    failure = Failure.of(ValueError(text), "shop-books")
    await take(deferred_rows.defer(MESSAGE, RetryLater(0, 1), give_up_after=DAY, failure=failure))
    (stored,) = await one(sql, "error")
    assert 0 < len(stored) <= 2000
    assert "\0" not in stored
