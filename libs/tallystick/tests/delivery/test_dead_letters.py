"""A message that fails is deferred, retried, and in the end a dead letter."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from nats.aio.client import Client
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from tallystick import (
    Conflict,
    Delivery,
    Event,
    PermanentError,
    Retry,
    Router,
    TemporaryError,
    Write,
)
from tallystick._broker.claims import subject_of
from tallystick._database.kept import Kept  # inside: how old
from tallystick._deferred.protocol import POISON_EXPIRED_LEASES
from tallystick._messages.identity import FOREIGN, digest, reader_number
from tallystick._service.runtime import Runtime

Sql = Callable[..., Awaitable[list[Any]]]
Run = Callable[..., AbstractAsyncContextManager[Runtime]]
Until = Callable[[str], Awaitable[None]]

QUICK = Retry(attempts=3, first=0.01, longest=0.02)
SUBJECT = "evt.shop.sold.v1.00"
NOTHING_HELD = "not exists (select from tallystick.deferred)"
DEAD = "exists (select from tallystick.deferred where state = 'dead')"
ALL_SENT = "not exists (select from tallystick.outbox where sent_at is null)"


class Sold(Event, name="shop.sold", key="item"):
    item: int


class Trouble:
    """A handler that raises the given errors and records its attempts."""

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self.attempts: list[int] = []

    async def __call__(self, event: Sold, delivery: Delivery) -> None:
        self.attempts.append(delivery.attempt)
        if self.errors:
            raise self.errors.pop(0) if len(self.errors) > 1 else self.errors[0]
        await delivery.commit(Write("insert into things (id) values ($1)", (event.item,)))


@pytest.fixture
def trouble() -> Trouble:
    return Trouble()


@pytest.fixture
def declare(trouble: Trouble) -> Callable[..., Router]:
    """A router with one handler, which fails as `trouble` does."""

    def make(retry: Retry = QUICK, deadline: timedelta | None = None) -> Router:
        router = Router("shop")

        @router.on(Sold, durable="shop-books", retry=retry, deadline=deadline)
        async def book(event: Sold, delivery: Delivery) -> None:
            await trouble(event, delivery)

        return router

    return make


async def publish(client: Client, body: bytes = b'{"item":1}', **headers: str) -> int:
    """Publish an event as the service does; return its sequence."""
    given = {"ce-id": "a", "ce-source": "shop", "ce-type": "dev.tallystick.shop.sold.v1"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    return (await client.jetstream().publish(SUBJECT, body, headers=given)).seq


async def dead_letters(client: Client) -> list[tuple[str, Mapping[str, str], bytes]]:
    """Return subject, headers and body of each dead letter in the stream."""
    jetstream = client.jetstream()
    state = (await jetstream.stream_info("DLQ_SHOP")).state
    numbers = range(state.first_seq, state.last_seq + 1) if state.messages else ()
    found = [await jetstream.get_msg("DLQ_SHOP", number) for number in numbers]
    read = [(m.subject or "", m.headers or {}, m.data or b"") for m in found]
    return [one for one in read if one[0] != subject_of("shop")]


async def outcomes(sql: Sql) -> list[tuple[int, str]]:
    rows = await sql("select lease, outcome from tallystick.attempts order by lease")
    return [tuple(row) for row in rows]


async def test_a_message_that_fails_is_retried_and_then_done(
    run: Run,
    declare: Callable[..., Router],
    trouble: Trouble,
    client: Client,
    sql: Sql,
    until: Until,
) -> None:
    trouble.errors = [ValueError("first")]
    async with run(declare(), sweep_s=60):
        await publish(client)
        await until("exists (select from tallystick.deferred where error = 'first')")
        trouble.errors = []
        await until(NOTHING_HELD)
        await until("exists (select from tallystick.attempts where outcome = 'done')")
    assert trouble.attempts[:2] == [1, 2]
    assert (await outcomes(sql))[0] == (0, "ValueError")
    assert len(await sql("select from things")) == 1
    assert len(await sql("select from tallystick.foreign_inbox")) == 1


async def test_a_message_that_fails_too_often_is_a_dead_letter(
    run: Run,
    declare: Callable[..., Router],
    trouble: Trouble,
    client: Client,
    sql: Sql,
    until: Until,
) -> None:
    trouble.errors = [ValueError("no"), KeyError("nö\0pe")]
    async with run(declare()):
        sequence = await publish(client, ce_subject="1", traceparent="mine")
        await until(DEAD)
        await until(ALL_SENT)
    assert trouble.attempts == [1, 2, 3]
    assert await outcomes(sql) == [(0, "ValueError"), (3, "KeyError"), (5, "exhausted")]
    columns = "state, reason, attempts, replica, error_type, error"
    (row,) = await sql(f"select {columns} from tallystick.deferred")
    assert tuple(row) == ("dead", "exhausted", 3, None, "KeyError", "'nö\\x00pe'")
    assert len(await sql("select from tallystick.foreign_inbox")) == 1
    ((subject, headers, body),) = await dead_letters(client)
    assert (subject, body) == (f"dlq.shop.books.{SUBJECT}", b'{"item":1}')
    assert {name: value for name, value in headers.items() if name.startswith("dlq-")} == {
        "dlq-reason": "exhausted",
        "dlq-error-type": "KeyError",
        "dlq-stream": "SHOP",
        "dlq-stream-seq": str(sequence),
        "dlq-durable": "shop-books",
        "dlq-attempts": "3",
        "dlq-subject": SUBJECT,
        "dlq-time": headers["dlq-time"],
    }
    assert (headers["ce-id"], headers["ce-subject"], headers["traceparent"]) == ("a", "1", "mine")


async def test_a_permanent_error_is_a_dead_letter_at_once(
    run: Run,
    declare: Callable[..., Router],
    trouble: Trouble,
    client: Client,
    sql: Sql,
    until: Until,
) -> None:
    trouble.errors = [PermanentError("never")]
    async with run(declare()):
        await publish(client)
        await until(DEAD)
        await until(ALL_SENT)
    assert trouble.attempts == [1]
    assert await sql("select reason, error from tallystick.deferred") == [("permanent", "never")]
    ((_, headers, _),) = await dead_letters(client)
    assert (headers["dlq-reason"], headers["dlq-attempts"]) == ("permanent", "1")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\0", b'{"item":"one"}', b"[" * 100_000])
async def test_a_body_that_nobody_can_read_is_a_dead_letter_at_once(
    run: Run,
    declare: Callable[..., Router],
    trouble: Trouble,
    client: Client,
    sql: Sql,
    until: Until,
    body: bytes,
) -> None:
    async with run(declare()):
        await publish(client, body)
        await until(DEAD)
        await until(ALL_SENT)
    assert trouble.attempts == []
    assert await sql("select reason, body from tallystick.deferred") == [("schema", body)]
    ((_, headers, shown),) = await dead_letters(client)
    assert (headers["dlq-reason"], headers["dlq-attempts"], shown) == ("schema", "0", body)


@pytest.mark.parametrize("known", [False, True])
async def test_a_message_older_than_the_inbox_remembers_is_never_run(
    run: Run,
    declare: Callable[..., Router],
    trouble: Trouble,
    client: Client,
    sql: Sql,
    until: Until,
    settled: Callable[..., Awaitable[None]],
    known: bool,
) -> None:
    if known:
        known_by = (reader_number("shop-books", FOREIGN), digest("shop", "a"))
        await sql("insert into tallystick.foreign_inbox values ($1, $2)", *known_by)
    made = datetime.now(UTC) - Kept().time - timedelta(days=1)
    async with run(declare()):
        await publish(client, tally_republication="1", ce_time=made.isoformat())
        await settled("shop-books")
        await until(ALL_SENT)
    assert trouble.attempts == []
    found = [tuple(row) for row in await sql("select state, reason from tallystick.deferred")]
    assert found == ([] if known else [("dead", "expired")])


async def test_a_message_of_a_day_that_goes_for_its_size_is_never_run(
    run: Run,
    declare: Callable[..., Router],
    trouble: Trouble,
    client: Client,
    sql: Sql,
    until: Until,
) -> None:
    """It is announced beforehand: a replica must not take what is forgotten for new."""
    old = str(uuid7())
    await sql(
        "insert into tallystick.kept (since)"
        " select extract(epoch from clock_timestamp() + interval '50 ms') * 1000"
    )
    async with run(declare()):
        await publish(client, ce_id=old, tally_republication="1")
        await until("exists (select from tallystick.deferred)")
        await until(ALL_SENT)
        await publish(client, ce_id=str(uuid7()), tally_republication="1")
        await until("exists (select from tallystick.inbox)")
    assert len(trouble.attempts) == 1
    found = await sql("select id, state, reason from tallystick.deferred")
    assert [tuple(row) for row in found] == [(old, "dead", "expired")]


async def test_a_temporary_error_waits_and_is_no_attempt(
    run: Run,
    declare: Callable[..., Router],
    trouble: Trouble,
    client: Client,
    sql: Sql,
    until: Until,
) -> None:
    trouble.errors = [TemporaryError(delay=0.01)]
    async with run(declare()):
        await publish(client)
        await until("exists (select from tallystick.deferred where lease > 10)")
        assert await sql("select attempts, state from tallystick.deferred") == [(0, "waiting")]
        trouble.errors = []
        await until(NOTHING_HELD)
    assert len(await sql("select from things")) == 1


async def test_a_temporary_error_is_retried_until_give_up_after(
    run: Run,
    declare: Callable[..., Router],
    trouble: Trouble,
    client: Client,
    sql: Sql,
    until: Until,
) -> None:
    trouble.errors = [TemporaryError("not today", delay=0.02)]
    retry = Retry(give_up_after=timedelta(seconds=0.3))
    async with run(declare(retry)):
        await publish(client)
        await until(DEAD)
    assert len(trouble.attempts) > 2
    deferred = await sql("select reason, error, now() > give_up_at from tallystick.deferred")
    assert [tuple(row) for row in deferred] == [("exhausted", "not today", True)]


async def test_a_handler_past_its_deadline_is_tried_again(
    run: Run, client: Client, sql: Sql, until: Until
) -> None:
    router, begun = Router("shop"), list[int]()

    @router.on(Sold, durable="shop-books", retry=QUICK, deadline=timedelta(seconds=0.1))
    async def book(event: Sold, delivery: Delivery) -> None:
        begun.append(delivery.attempt)
        if len(begun) == 1:
            await asyncio.Event().wait()

    async with run(router):
        await publish(client)
        await until("exists (select from tallystick.attempts where outcome = 'done')")
    assert begun == [1, 2]
    assert await outcomes(sql) == [(0, "TimeoutError"), (3, "done")]


async def test_a_conflict_that_never_ends_is_an_ordinary_error(
    run: Run,
    declare: Callable[..., Router],
    trouble: Trouble,
    client: Client,
    sql: Sql,
    until: Until,
) -> None:
    trouble.errors = [Conflict()]
    async with run(declare()):
        await publish(client)
        await until(DEAD)
    assert len(trouble.attempts) == 3 * 20
    assert await sql("select reason, error_type from tallystick.deferred") == [
        ("exhausted", "Conflict")
    ]


async def test_a_delivery_is_committed_once(
    run: Run, client: Client, sql: Sql, until: Until
) -> None:
    router = Router("shop")

    @router.on(Sold, durable="shop-books", retry=QUICK)
    async def book(event: Sold, delivery: Delivery) -> None:
        await delivery.commit(Write("insert into things (id) values (1)"))
        await delivery.commit(Write("insert into things (id) values (2)"))

    async with run(router):
        await publish(client)
        await until("exists (select from things)")
    assert await sql("select id from things") == [(1,)]
    assert len(await sql("select from tallystick.foreign_inbox")) == 1


async def test_a_statement_that_the_database_refuses_is_blamed_on_its_message_alone(
    run: Run, client: Client, sql: Sql, until: Until
) -> None:
    router = Router("shop")

    @router.on(Sold, durable="shop-books", retry=QUICK)
    async def book(event: Sold, delivery: Delivery) -> None:
        await delivery.commit(
            Write("insert into things (id, value) values ($1, $1)", (event.item,))
        )

    async with run(router):
        for item in range(20):
            await publish(client, b'{"item":%d}' % item, ce_id=str(item))
        await until(DEAD)
        await until("(select count(*) = 19 from things)")
    deferred = await sql("select id, error_type from tallystick.deferred")
    assert [tuple(row) for row in deferred] == [("13", "CheckViolationError")]


async def test_a_copy_of_a_dead_letter_changes_nothing(
    run: Run,
    declare: Callable[..., Router],
    trouble: Trouble,
    client: Client,
    sql: Sql,
    until: Until,
    settled: Callable[..., Awaitable[None]],
) -> None:
    trouble.errors = [PermanentError("never")]
    async with run(declare(), trusts=False):
        await publish(client)
        await until(DEAD)
        before = await sql("select * from tallystick.deferred")
        await publish(client, b'{"item":2}')
        await publish(client, b'{"item":3}', tally_republication="1")
        await settled("shop-books")
        await until(ALL_SENT)
        assert await sql("select * from tallystick.deferred") == before
    assert trouble.attempts == [1]
    assert len(await dead_letters(client)) == 1


async def test_dead_letters_of_events_that_went_in_one_batch_are_all_shown(
    run: Run, declare: Callable[..., Router], trouble: Trouble, client: Client, until: Until
) -> None:
    trouble.errors = [PermanentError("never")]
    async with run(declare()) as runtime:
        await runtime.parts.database.commit(*(Sold(item=item) for item in range(5)))
        await until("(select count(*) = 5 from tallystick.deferred where state = 'dead')")
        await until(ALL_SENT)
    found = await dead_letters(client)
    assert len({headers["ce-id"] for _, headers, _ in found}) == 5


async def test_a_message_that_killed_too_many_processes_is_poison(
    run: Run,
    declare: Callable[..., Router],
    trouble: Trouble,
    client: Client,
    sql: Sql,
    until: Until,
) -> None:
    trouble.errors = [TemporaryError(delay=60)]
    async with run(declare()):
        await publish(client)
        await until("exists (select from tallystick.deferred where lease = 2)")
        await sql(
            "update tallystick.deferred set expired_leases = $1, due_at = now()",
            POISON_EXPIRED_LEASES,
        )
        await until(DEAD)
        await until(ALL_SENT)
    assert trouble.attempts == [1]
    assert await sql("select reason, error_type from tallystick.deferred") == [("poison", "Poison")]
    ((_, headers, _),) = await dead_letters(client)
    assert headers["dlq-reason"] == "poison"


async def test_what_is_said_of_a_failure_names_its_error_and_its_place(
    run: Run, declare: Callable[..., Router], trouble: Trouble, client: Client, until: Until
) -> None:
    trouble.errors = [ZeroDivisionError("by nothing")]
    with capture_logs() as lines:
        async with run(declare()):
            await publish(client)
            await until(DEAD)
    for event in ("delivery deferred", "delivery dead-lettered"):
        line = next(line for line in lines if line["event"] == event)
        assert (line["error_type"], line["error"]) == ("ZeroDivisionError", "by nothing")
        assert line["place"] == "test_dead_letters.py:Trouble.__call__"
