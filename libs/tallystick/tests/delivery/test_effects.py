"""Effects: stored with a commit, then tried until they are done."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from nats.aio.client import Client

from tallystick import (
    Conflict,
    Delivery,
    Effect,
    Event,
    PermanentError,
    Retry,
    Router,
    TemporaryError,
    Write,
)
from tallystick._service.runtime import Runtime
from tallystick.errors import DeclarationError, InvalidMessage
from tallystick.testing import eventually
from tallystick.testing.known import KNOWN

Sql = Callable[..., Awaitable[list[Any]]]
Run = Callable[..., AbstractAsyncContextManager[Runtime]]
Until = Callable[[str], Awaitable[None]]

NOTHING_HELD = "not exists (select from tallystick.deferred)"
DEAD = "exists (select from tallystick.deferred where state = 'dead')"


class Sold(Event, name="shop.sold", key="item"):
    item: int


UNLOCKED = "for update skip locked"


class Charged(Event, name="shop.charged", key="item"):
    item: str


class Charge(Effect, name="shop.charge", key="item"):
    item: str
    notes: tuple[str, ...] = ()


class Bank:
    """A partner: answers once it is open, with the errors that a test sets."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.errors: list[Exception] = []
        self.opened = asyncio.Event()
        self.opened.set()

    async def charge(self, item: str) -> None:
        self.calls[item] += 1
        await self.opened.wait()
        if self.errors:
            raise self.errors.pop(0)


@pytest.fixture
def bank() -> Bank:
    return Bank()


@pytest.fixture
def router(bank: Bank) -> Router:
    """Charge each item that was sold, one at a time, and publish that it was charged."""
    router = Router("shop")

    @router.on(Sold, durable="shop-books")
    async def book(event: Sold, delivery: Delivery) -> None:
        await delivery.commit(thing(event.item), Charge(item=str(event.item)))

    retry = Retry(first=0.01, longest=0.02, attempts=3)

    @router.effect(Charge, retry=retry, concurrency=1)
    async def charge(effect: Charge, delivery: Delivery) -> None:
        await bank.charge(effect.item)
        charged = Write("update things set value = value + 1 where id = $1", (int(effect.item),))
        await delivery.commit(charged, Charged(item=effect.item))

    return router


def thing(item: int) -> Write:
    return Write("insert into things (id) values ($1) on conflict do nothing", (item,))


async def values(sql: Sql) -> dict[int, int]:
    return dict(await sql("select id, value from things"))


async def test_an_effect_starts_with_the_commit_that_stores_it(
    run: Run, router: Router, bank: Bank, sql: Sql, until: Until
) -> None:
    bank.opened.clear()
    async with run(router, sweep_s=60) as runtime:
        await runtime.parts.database.commit(thing(1), Charge(item="1"))
        await eventually(lambda: bank.calls["1"] == 1)
        deferred = await sql("select lease, replica, state from tallystick.deferred")
        assert [tuple(row) for row in deferred] == [(1, runtime.parts.replica, "waiting")]
        bank.opened.set()
        await until(NOTHING_HELD)
    assert await values(sql) == {1: 1}
    assert bank.calls == {"1": 1}
    known = await sql(f"select durable, source, id, state from {KNOWN}")
    assert [tuple(row) for row in known] == [("shop-charge", "shop", "1", "done")]
    assert await sql("select from tallystick.attempts") == []


async def test_an_effect_is_stored_only_with_its_unit(
    run: Run, router: Router, bank: Bank, sql: Sql
) -> None:
    async with run(router) as runtime:
        with pytest.raises(Conflict):
            await runtime.parts.database.commit(
                Charge(item="1"), Write("update things set value = 1 returning id", (), 1)
            )
        assert runtime.parts.slots.free("shop-charge") == 1
    assert not bank.calls
    assert await sql("select from tallystick.deferred") == []


async def test_the_same_effect_is_stored_once_ever(
    run: Run, router: Router, bank: Bank, sql: Sql, until: Until
) -> None:
    async with run(router) as runtime:
        charge = Charge(item="1")
        await runtime.parts.database.commit(thing(1), charge, charge)
        commits = (runtime.parts.database.commit(charge) for _ in range(5))
        await asyncio.gather(*commits)
        await until(NOTHING_HELD)
        await runtime.parts.database.commit(Charge(item="1", notes=("again",)))
        await until(NOTHING_HELD)
        assert runtime.parts.slots.free("shop-charge") == 1
    assert bank.calls == {"1": 1}
    assert await values(sql) == {1: 1}


async def test_an_effect_that_fails_is_done_again_under_its_key(
    run: Run, router: Router, bank: Bank, sql: Sql, until: Until
) -> None:
    bank.errors = [TemporaryError(delay=0.01), ValueError("no"), TimeoutError()]
    async with run(router) as runtime:
        await runtime.parts.database.commit(thing(1), Charge(item="1"))
        await until("exists (select from tallystick.attempts where outcome = 'done')")
    assert bank.calls == {"1": 4}
    assert await values(sql) == {1: 1}
    outcomes = await sql("select lease, outcome from tallystick.attempts order by lease")
    assert [tuple(row) for row in outcomes] == [
        (1, "TemporaryError"),
        (3, "ValueError"),
        (5, "TimeoutError"),
        (7, "done"),
    ]


async def test_an_effect_that_fails_permanently_is_a_dead_letter_of_its_own_subject(
    run: Run, router: Router, bank: Bank, client: Client, until: Until
) -> None:
    bank.errors = [PermanentError("closed")]
    async with run(router) as runtime:
        await runtime.parts.database.commit(Charge(item="1"))
        await until(DEAD)
        await until("not exists (select from tallystick.outbox where sent_at is null)")
    subject = "dlq.shop.charge.eff.shop.charge.v1"
    dead_letter = await client.jetstream().get_last_msg("DLQ_SHOP", subject)
    headers = dead_letter.headers or {}
    assert (headers["dlq-reason"], headers["dlq-durable"]) == ("permanent", "shop-charge")
    assert headers["dlq-stream"] == ""


async def test_an_event_of_an_effect_has_the_correlation_id_of_the_first_event(
    run: Run, router: Router, sql: Sql, until: Until, client: Client
) -> None:
    async with run(router) as runtime:
        await runtime.parts.database.commit(Sold(item=1))
        await until("exists (select from tallystick.outbox where subject like '%charged%')")
        await until(NOTHING_HELD)
    rows = await sql("select id::text, correlation_id from tallystick.outbox order by stored_at")
    (root, correlation_id), (_, handed_on) = [tuple(row) for row in rows]
    assert root == correlation_id == handed_on


async def test_effects_beyond_the_slots_wait_and_start_when_one_is_free(
    run: Run, router: Router, bank: Bank, sql: Sql, until: Until
) -> None:
    bank.opened.clear()
    async with run(router, sweep_s=60) as runtime:
        for item in range(5):
            await runtime.parts.database.commit(thing(item), Charge(item=str(item)))
        await eventually(lambda: sum(bank.calls.values()) == 1)
        (count,) = await sql("select count(*) from tallystick.deferred where replica is null")
        assert count[0] == 4
        bank.opened.set()
        await until(NOTHING_HELD)
    assert await values(sql) == dict.fromkeys(range(5), 1)
    assert set(bank.calls.values()) == {1}


async def test_effects_delayed_by_a_rate_continue_at_that_rate(
    run: Run, bank: Bank, until: Until
) -> None:
    router = Router("shop")

    @router.effect(Charge, rate=100)
    async def charge(effect: Charge, delivery: Delivery) -> None:
        await bank.charge(effect.item)

    async with run(router, sweep_s=60) as runtime:
        await runtime.parts.database.commit(*(Charge(item=str(item)) for item in range(50)))
        await until(NOTHING_HELD)
    assert set(bank.calls.values()) == {1}


async def test_a_handler_can_ask_whether_its_effect_starts(
    run: Run, bank: Bank, sql: Sql, until: Until
) -> None:
    router, reports_errors = Router("shop"), dict[int, bool]()
    bank.opened.clear()

    @router.on(Sold, durable="shop-books")
    async def book(event: Sold, delivery: Delivery) -> None:
        charge = Charge(item=str(event.item))
        reports_errors[event.item] = delivery.starts(charge)
        await delivery.commit(charge)

    @router.effect(Charge, concurrency=2)
    async def charge(effect: Charge, delivery: Delivery) -> None:
        await bank.charge(effect.item)

    async with run(router, sweep_s=60) as runtime:
        for item in range(4):
            await runtime.parts.database.commit(Sold(item=item))
            await until(f"exists (select from tallystick.deferred where id = '{item}')")
        leases = await sql("select id, lease from tallystick.deferred order by id")
        assert {int(row[0]): row[1] == 1 for row in leases} == reports_errors
        assert sorted(reports_errors.values()) == [False, False, True, True]
        bank.opened.set()
        await until(NOTHING_HELD)
    assert set(bank.calls.values()) == {1}


async def test_only_an_effect_that_never_started_can_be_withdrawn(
    run: Run, router: Router, bank: Bank, sql: Sql, until: Until
) -> None:
    class Regretted(Event, name="shop.regretted", key="item"):
        item: int

    @router.on(Regretted, durable="shop-regrets")
    async def regret(event: Regretted, delivery: Delivery) -> None:
        stopped = Write("update things set value = 100 where id = $1", (event.item,))
        try:
            await delivery.commit(stopped, delivery.withdraw(Charge(item=str(event.item))))
        except Conflict:
            late = Write("update things set value = 200 where id = $1", (event.item,))
            await delivery.commit(late)

    bank.opened.clear()
    async with run(router) as runtime:
        for item in (1, 2):
            await runtime.parts.database.commit(thing(item), Charge(item=str(item)))
        await eventually(lambda: bank.calls["1"] == 1)
        for item in (1, 2):
            await runtime.parts.database.commit(Regretted(item=item))
        await until("(select count(*) = 2 from things where value >= 100)")
        bank.opened.set()
        await until(NOTHING_HELD)
    assert bank.calls == {"1": 1}
    assert await values(sql) == {1: 201, 2: 100}


async def test_a_lease_that_finds_no_slot_is_undone(
    run: Run, router: Router, bank: Bank, sql: Sql, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank.opened.clear()
    async with run(router, sweep_s=60) as runtime:
        await runtime.parts.database.commit(thing(1), thing(2), Charge(item="1"))
        await eventually(lambda: bank.calls["1"] == 1)
        await runtime.parts.database.commit(Charge(item="2"))
        with monkeypatch.context() as patched:  # as if 1 had started while 2 was claimed
            patched.setattr(runtime.parts.slots, "free", lambda durable: 1)
            patched.setattr(runtime.parts.slots, "take", lambda key: False)
            await runtime.parts.deferred.lease()
        deferred = await sql(
            "select id, lease, replica is null from tallystick.deferred order by id"
        )
        assert [tuple(row) for row in deferred] == [("1", 1, False), ("2", 0, True)]
        bank.opened.set()
        await until(NOTHING_HELD)
    assert await values(sql) == {1: 1, 2: 1}


async def test_an_effect_of_a_transaction_is_done_at_once_too(
    run: Run, router: Router, bank: Bank, until: Until
) -> None:
    async with run(router, sweep_s=60) as runtime:
        await until("true")
        async with runtime.parts.database.transaction() as transaction:
            await transaction.execute("insert into things (id) values (1)")
            transaction.add(Charge(item="1"))
        await eventually(lambda: bank.calls["1"] == 1)
        await until(NOTHING_HELD)


@pytest.mark.parametrize("wrong", ["\n", "x" * 300])
async def test_a_unit_that_cannot_be_built_takes_no_slot(
    run: Run, router: Router, bank: Bank, until: Until, wrong: str
) -> None:
    async with run(router) as runtime:
        with pytest.raises(InvalidMessage):
            await runtime.parts.database.commit(Charge(item="1"), Charged(item=wrong))
        await runtime.parts.database.commit(Charge(item="1"))
        await eventually(lambda: bank.calls["1"] == 1)
        await until(NOTHING_HELD)


async def test_an_effect_without_a_handler_is_refused_by_the_commit(run: Run, sql: Sql) -> None:
    async with run(Router("shop")) as runtime:
        with pytest.raises(DeclarationError, match="no handler for shop-charge"):
            await runtime.parts.database.commit(Charge(item="1"))


async def test_an_effect_that_records_something_stays_due(
    run: Run, bank: Bank, sql: Sql, until: Until
) -> None:
    router = Router("shop")

    @router.effect(Charge)
    async def charge(effect: Charge, delivery: Delivery) -> None:
        await delivery.database.commit(thing(delivery.attempt))
        if delivery.attempt < 3:
            raise TemporaryError(delay=0)

    async with run(router) as runtime:
        await runtime.parts.database.commit(Charge(item="1"))
        await until(NOTHING_HELD)
    assert sorted(await values(sql)) == [1, 2, 3]


async def test_an_effect_that_waits_for_long_can_be_rescheduled(
    run: Run, router: Router, bank: Bank, until: Until
) -> None:
    bank.errors = [TemporaryError(delay=3600)]
    async with run(router) as runtime:
        await runtime.parts.database.commit(Charge(item="1"))
        await until(
            "exists (select from tallystick.deferred where due_at > now() + interval '59 min')"
        )
        await runtime.parts.database.commit(runtime.parts.database.reschedule(Charge(item="1")))
        await until(NOTHING_HELD)
    assert bank.calls == {"1": 2}


async def test_a_dead_effect_that_is_rescheduled_gets_all_its_attempts_again(
    run: Run, router: Router, bank: Bank, sql: Sql, until: Until
) -> None:
    bank.errors = [PermanentError("closed"), ValueError("no"), ValueError("no")]
    async with run(router) as runtime:
        await runtime.parts.database.commit(thing(1), Charge(item="1"))
        await until(DEAD)
        await runtime.parts.database.commit(runtime.parts.database.reschedule(Charge(item="1")))
        await until(NOTHING_HELD)
    assert bank.calls == {"1": 4}
    assert await values(sql) == {1: 1}


async def test_an_effect_that_succeeds_is_not_run_again_by_a_reschedule(
    run: Run, router: Router, bank: Bank, until: Until
) -> None:
    bank.opened.clear()
    async with run(router) as runtime:
        await runtime.parts.database.commit(Charge(item="1"))
        await eventually(lambda: bank.calls["1"] == 1)
        await runtime.parts.database.commit(runtime.parts.database.reschedule(Charge(item="1")))
        bank.opened.set()
        await until(NOTHING_HELD)
        await runtime.parts.database.commit(runtime.parts.database.reschedule(Charge(item="1")))
    assert bank.calls == {"1": 1}


async def test_an_effect_that_is_rescheduled_while_it_runs_and_fails_is_retried_at_once_and_once(
    run: Run, router: Router, bank: Bank, until: Until
) -> None:
    bank.errors = [TemporaryError(delay=3600), TemporaryError(delay=3600)]
    bank.opened.clear()
    async with run(router) as runtime:
        await runtime.parts.database.commit(Charge(item="1"))
        await eventually(lambda: bank.calls["1"] == 1)
        await runtime.parts.database.commit(runtime.parts.database.reschedule(Charge(item="1")))
        bank.opened.set()
        await eventually(lambda: bank.calls["1"] == 2)
        await until(
            "exists (select from tallystick.deferred where due_at > now() + interval '59 min')"
        )
    assert bank.calls == {"1": 2}


async def test_an_effect_that_never_started_stays_so_when_it_is_rescheduled(
    run: Run, router: Router, bank: Bank, sql: Sql, until: Until
) -> None:
    bank.opened.clear()
    async with run(router) as runtime:
        for item in ("1", "2"):
            await runtime.parts.database.commit(Charge(item=item))
        await runtime.parts.database.commit(runtime.parts.database.reschedule(Charge(item="2")))
        (row,) = await sql("select lease from tallystick.deferred where id = '2'")
        assert row[0] == 0
        bank.opened.set()
        await until(NOTHING_HELD)


async def test_a_reschedule_locks_an_effect_before_the_rows_of_its_unit_as_its_end_does(
    run: Run, router: Router, bank: Bank, sql: Sql, until: Until
) -> None:
    bank.errors = [TemporaryError(delay=3600)]
    async with run(router) as runtime:
        database = runtime.parts.database
        await database.commit(thing(1), Charge(item="1"))
        await until(
            "exists (select from tallystick.deferred where due_at > now() + interval '59 min')"
        )
        async with database.postgres.connection() as other:
            await other.execute("select from things where id = 1 for update")
            change = Write("update things set value = 7 where id = 1", ())
            committing = asyncio.create_task(
                database.commit(change, database.reschedule(Charge(item="1")))
            )
            await until(f"not exists (select from tallystick.deferred {UNLOCKED})")
            assert not committing.done()
        await committing
