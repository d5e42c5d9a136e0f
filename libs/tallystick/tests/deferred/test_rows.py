import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
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
from tallystick.testing.ids import name_in, named_id

Sql = Callable[..., Awaitable[list[Any]]]
DAY = timedelta(days=1)
MESSAGE = Inbound(
    "shop-books",
    "shop",
    named_id("1"),
    "evt.shop.sold.v1.00",
    b"NATS/1.0\r\na: b\r\n\r\n",
    b"\0{}",
    "SHOP",
    9,
)
FAILURE = Failure("ValueError", "no", "abc")


@pytest.fixture
def settle(database: Postgres) -> Callable[[Write], Awaitable[None]]:
    """Commit units whose settlement is the given write."""

    async def commit(write: Write) -> None:
        await database.deliveries.submit(Unit((), (), write))

    return commit


Settle = Callable[[Write], Awaitable[None]]


def defer(message: Inbound = MESSAGE, *, replica: str | None = None) -> Write:
    return deferred_rows.defer(message, RetryLater(0, 0), give_up_after=DAY, replica=replica)


def leased(lease: int = 1) -> Deferred:
    return Deferred(MESSAGE, lease, 0, 0, 0, DAY)


async def one(sql: Sql, columns: str) -> tuple[Any, ...]:
    (row,) = await sql(f"select {columns} from tallystick.deferred")
    return tuple(row)


async def taken(sql: Sql) -> list[str]:
    """The names of the messages in the inbox."""
    return [name_in(row[0]) for row in await sql("select id from tallystick.inbox")]


KINDS = {
    "own": MESSAGE,
    "foreign": replace(MESSAGE, source="another", id="1"),
    "of no UUID": replace(MESSAGE, id="1"),
    "of another version": replace(MESSAGE, id="d9428888-122b-41e1-b85c-61cc3cbb3210"),
    "an effect": replace(MESSAGE, id="1", subject="eff.shop.charge.v1"),
}


async def test_a_message_is_received_once(settle: Settle, sql: Sql) -> None:
    await settle(deferred_rows.received(MESSAGE))
    with pytest.raises(AlreadyProcessed):
        await settle(deferred_rows.received(MESSAGE))
    await settle(deferred_rows.received(replace(MESSAGE, durable="shop-thanks")))
    assert await taken(sql) == ["1", "1"]


@pytest.mark.parametrize("kind", ["own", "foreign"])
async def test_a_copy_is_not_taken_for_known_by_what_may_yet_be_rolled_back(
    database: Postgres, sql: Sql, kind: str
) -> None:
    """Two deliveries of one message end together: one in a conflict, the other is deferred.

    Whichever comes first: if it is the other, the one in conflict finds the message known.
    """
    conflict = Write("select 1 where false", (), 1)
    outcomes = await asyncio.gather(
        database.deliveries.submit(Unit((conflict,), (), deferred_rows.received(KINDS[kind]))),
        database.deliveries.submit(Unit((), (), defer(KINDS[kind]))),
        return_exceptions=True,
    )
    assert isinstance(outcomes[0], (Conflict, AlreadyProcessed))
    assert not isinstance(outcomes[1], BaseException)
    assert await one(sql, "state") == ("waiting",)


@pytest.mark.parametrize("message", KINDS.values(), ids=KINDS)
async def test_a_message_of_any_kind_is_deferred_and_ended_once(
    settle: Settle, sql: Sql, message: Inbound
) -> None:
    await settle(defer(message, replica="me"))
    with pytest.raises(AlreadyProcessed):
        await settle(defer(message))
    await settle(deferred_rows.end(replace(leased(), inbound=message)))
    with pytest.raises(AlreadyProcessed):
        await settle(defer(message))
    assert await sql("select from tallystick.deferred") == []


async def test_a_message_of_a_time_that_the_inbox_does_not_keep_is_known_by_its_row(
    settle: Settle, sql: Sql
) -> None:
    old = replace(MESSAGE, id="0180a4f8-6c00-7000-8000-000000000031")
    write = partial(deferred_rows.defer, old, GiveUp("expired", 0), give_up_after=DAY)
    await settle(write(is_kept=False))
    with pytest.raises(AlreadyProcessed):
        await settle(write(is_kept=False))
    assert await one(sql, "state, reason, starts") == ("dead", "expired", 0)


async def test_a_deferred_message_is_stored_whole(settle: Settle, sql: Sql) -> None:
    await settle(defer())
    columns = "durable, source, id, subject, headers, body, stream, stream_sequence"
    assert Inbound(*await one(sql, columns)) == MESSAGE
    assert await one(
        sql, "state, lease, replica, attempts, expired_leases, crashes, due_at <= now()"
    ) == (
        *("waiting", 0, None, 0, 0, 0),
        True,
    )
    assert await taken(sql) == ["1"]


async def test_a_message_that_is_deferred_or_done_is_never_overwritten(
    settle: Settle, sql: Sql
) -> None:
    await settle(defer())
    with pytest.raises(AlreadyProcessed):
        await settle(defer(replace(MESSAGE, body=b"other")))
    with pytest.raises(AlreadyProcessed):
        await settle(deferred_rows.received(MESSAGE))
    assert await one(sql, "body") == (MESSAGE.body,)
    await sql("delete from tallystick.deferred")
    with pytest.raises(AlreadyProcessed):
        await settle(defer())
    assert await sql("select from tallystick.deferred") == []


async def test_a_failed_message_is_deferred_with_its_error_and_its_delay(
    settle: Settle, sql: Sql
) -> None:
    await settle(
        deferred_rows.defer(MESSAGE, RetryLater(60, 1), give_up_after=DAY, failure=FAILURE)
    )
    assert await one(
        sql, "lease, attempts, error_type, error, fingerprint, due_at > now() + interval '50 s'"
    ) == (2, 1, "ValueError", "no", "abc", True)


async def test_a_permanent_failure_is_dead_from_the_start(settle: Settle, sql: Sql) -> None:
    await settle(
        deferred_rows.defer(MESSAGE, GiveUp("schema", 0), give_up_after=DAY, failure=FAILURE)
    )
    assert await one(sql, "state, reason") == ("dead", "schema")


async def test_an_effect_that_starts_with_its_commit_is_leased_by_it(
    settle: Settle, sql: Sql
) -> None:
    await settle(defer(replica="me"))
    assert await one(sql, "lease, replica") == (1, "me")


async def test_an_end_removes_the_row_and_marks_it_done(settle: Settle, sql: Sql) -> None:
    await settle(defer(replica="me"))
    await settle(deferred_rows.end(leased()))
    assert await sql("select from tallystick.deferred") == []
    assert await taken(sql) == ["1"]


@pytest.mark.parametrize("lease", [0, 2])
async def test_a_worker_that_lost_its_lease_changes_nothing(
    settle: Settle, sql: Sql, lease: int
) -> None:
    await settle(defer(replica="me"))
    with pytest.raises(AlreadyProcessed):
        await settle(deferred_rows.end(leased(lease)))
    with pytest.raises(AlreadyProcessed):
        await settle(deferred_rows.failed(leased(lease), GiveUp("exhausted", 1), FAILURE))
    assert await one(sql, "state, lease, replica") == ("waiting", 1, "me")
    assert await taken(sql) == ["1"]


@pytest.mark.parametrize("state", ["dead", "discarded"])
async def test_a_dead_letter_cannot_be_ended(settle: Settle, sql: Sql, state: str) -> None:
    await settle(defer(replica="me"))
    await sql("update tallystick.deferred set state = $1", state)
    with pytest.raises(AlreadyProcessed):
        await settle(deferred_rows.end(leased()))
    assert await taken(sql) == ["1"]


async def test_a_failure_ends_the_lease_and_resets_expired_leases(settle: Settle, sql: Sql) -> None:
    await settle(defer(replica="me"))
    await sql("update tallystick.deferred set expired_leases = 3, crashes = 1")
    await settle(deferred_rows.failed(leased(), RetryLater(60, 2), FAILURE))
    columns = "state, lease, replica, attempts, expired_leases, crashes, error"
    assert await one(sql, columns) == ("waiting", 2, None, 2, 0, 0, "no")
    assert await taken(sql) == ["1"]


async def test_a_failure_may_make_a_dead_letter(settle: Settle, sql: Sql) -> None:
    await settle(defer(replica="me"))
    await settle(deferred_rows.failed(leased(), GiveUp("exhausted", 8), FAILURE))
    assert await one(sql, "state, reason, attempts, replica") == ("dead", "exhausted", 8, None)


async def test_an_effect_that_never_started_can_be_withdrawn(database: Postgres, sql: Sql) -> None:
    effect = KINDS["an effect"]
    await database.deliveries.submit(Unit((defer(effect),)))
    await database.deliveries.submit(Unit((deferred_rows.withdraw(effect.key),)))
    assert await sql("select from tallystick.deferred") == []
    effects = await sql("select durable, key, ended_at from tallystick.effects")
    assert [tuple(row) for row in effects] == [("shop-books", "1", None)]


@pytest.mark.parametrize("since", ["lease = 1", "lease = 2, replica = null", "state = 'dead'"])
async def test_an_effect_that_has_started_cannot_be_withdrawn(
    database: Postgres, sql: Sql, since: str
) -> None:
    await database.deliveries.submit(Unit((defer(),)))
    await sql(f"update tallystick.deferred set {since}")
    with pytest.raises(Conflict):
        await database.deliveries.submit(Unit((deferred_rows.withdraw(MESSAGE.key),)))
    assert len(await sql("select from tallystick.deferred")) == 1


async def test_an_effect_that_was_withdrawn_is_never_stored_again(
    database: Postgres, sql: Sql
) -> None:
    for write in (defer(), deferred_rows.withdraw(MESSAGE.key), defer()):
        await database.deliveries.submit(Unit((), (write,)))
    assert await sql("select from tallystick.deferred") == []


async def test_an_attempt_is_recorded_once_per_lease(database: Postgres, sql: Sql) -> None:
    for outcome in ("ValueError", "done"):
        write = deferred_rows.attempt(MESSAGE.key, 1, ("me", "1.0"), outcome, "no")
        await database.deliveries.submit(Unit((write,)))
    columns = "durable, source, id, lease, replica, version, outcome, error"
    (attempt,) = await sql(f"select {columns} from tallystick.attempts")
    assert tuple(attempt) == (*MESSAGE.key, 1, "me", "1.0", "ValueError", "no")


def raised(error: Exception) -> Exception:
    """Return the error with a traceback, as if a handler had raised it."""

    def handler() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        handler()
    return caught.value


def test_a_failure_is_identified_by_its_durable_type_and_place() -> None:
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
async def test_every_error_text_can_be_stored(settle: Settle, sql: Sql, text: str) -> None:
    failure = Failure.of(ValueError(text), "shop-books")
    await settle(deferred_rows.defer(MESSAGE, RetryLater(0, 1), give_up_after=DAY, failure=failure))
    (stored,) = await one(sql, "error")
    assert 0 < len(stored) <= 2000
    assert "\0" not in stored
