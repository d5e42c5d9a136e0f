import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from structlog.testing import capture_logs

from tallystick._database import retention as retentions
from tallystick._database.kept import Kept
from tallystick._database.migrate import apply
from tallystick._database.partitions import PARTITIONED, Bounds
from tallystick._database.pool import Target
from tallystick._database.retention import Retention
from tallystick._messages.ids import first_id
from tallystick._telemetry.metrics import KEPT_BYTES, KEPT_LIMIT, KEPT_SINCE, child
from tallystick.testing import PostgresServer

Sql = Callable[..., Awaitable[list[Any]]]
KEPT = timedelta(seconds=9)  # so that a partition is a second long
MONTH = timedelta(days=30)
DAY_MS = 86_400_000
SIZE = """select sum(pg_total_relation_size(i.inhrelid))::bigint from pg_inherits i
where i.inhparent = $1::regclass"""
PARTITIONS = """select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
where i.inhparent = $1::regclass order by 1"""
INTO_OUTBOX = """insert into tallystick.outbox
(id, type, subject, headers, body, correlation_id, key, sent_at)
values ($1, 'evt.shop.sold.v1', 'evt.shop.sold.v1.00', '', '', '', 'k', $2)"""


@pytest.fixture
async def url(postgres: PostgresServer, request: pytest.FixtureRequest) -> str:
    """A migrated database without partitions."""
    url = await postgres.create_database(f"retention_{abs(hash(request.node.name))}")
    await apply("tallystick", url)
    return url


@pytest.fixture
async def own(url: str) -> Any:
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


def retention(url: str, kept: timedelta = KEPT, most_bytes: int | None = None) -> Retention:
    return Retention(Target(url, "tests"), Kept(kept), most_bytes)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is announced is forgotten in the next round, not a minute later."""
    monkeypatch.setattr(retentions, "ANNOUNCED_FOR", timedelta(0))


async def forget(retention: Retention) -> None:
    """Announce what is too old, then drop it."""
    await retention.round()
    await retention.round()


async def names(own: Any, table: str) -> list[str]:
    return [row[0] for row in await own.fetch(PARTITIONS, f"tallystick.{table}")]


async def now_ms(own: Any) -> int:
    return int(await own.fetchval("select extract(epoch from now()) * 1000"))


async def test_replicas_that_start_together_make_each_partition_once(url: str, own: Any) -> None:
    await asyncio.gather(*(retention(url, MONTH).prepare() for _ in range(4)))
    assert len(await names(own, "inbox")) == len(await names(own, "outbox")) == 9


async def test_an_id_of_any_time_that_is_kept_can_be_stored(url: str, own: Any) -> None:
    await retention(url, MONTH).prepare()
    for days in (-30, -29, -1, 0, 1, 6):
        id_ = first_id(await now_ms(own) + days * 86_400_000)
        await own.execute("insert into tallystick.inbox (reader, id) values (1, $1)", id_)
    for days in (-32, 9):
        id_ = first_id(await now_ms(own) + days * 86_400_000)
        with pytest.raises(asyncpg.CheckViolationError, match="no partition"):
            await own.execute("insert into tallystick.inbox (reader, id) values (1, $1)", id_)


async def test_old_rows_go_with_their_partition_and_the_rest_stays(
    url: str, own: Any, at_once: None
) -> None:
    await retention(url).prepare()
    now = await now_ms(own)
    old, new = first_id(now - 1_500), first_id(now)
    for id_ in (old, new):
        await own.execute("insert into tallystick.inbox (reader, id) values (1, $1)", id_)
    kept = timedelta(milliseconds=1)  # of the past, nothing is kept
    async with asyncio.timeout(20):
        while (await now_ms(own)) < now + 1_100:
            await asyncio.sleep(0.05)
    with capture_logs() as lines:
        await forget(retention(url, kept))
    assert [row[0] for row in await own.fetch("select id from tallystick.inbox")] in ([new], [])
    assert await own.fetchval("select count(*) from tallystick.inbox where id = $1", old) == 0
    assert "partition dropped" in [line["event"] for line in lines]
    left = await own.fetch("select relname from pg_class where relname ~ '^inbox_[0-9_]+$'")
    assert sorted(row[0] for row in left) == await names(own, "inbox")


async def test_a_partition_with_messages_that_were_never_sent_is_kept_and_warned_of(
    url: str, own: Any, at_once: None
) -> None:
    await retention(url).prepare()
    await own.execute(INTO_OUTBOX, first_id(await now_ms(own) - 2_000), None)
    (oldest, *_) = await names(own, "outbox")
    with capture_logs() as lines:
        await forget(retention(url, timedelta(0)))
    assert oldest in await names(own, "outbox")
    assert [
        (line["name"], line["unsent"]) for line in lines if line["event"] == "partition kept"
    ] == [(oldest, 1)]


async def test_dropping_that_was_cut_off_is_finished(url: str, own: Any, at_once: None) -> None:
    await retention(url).prepare()
    (oldest, *_) = await names(own, "inbox")
    await own.execute(f"alter table tallystick.inbox detach partition tallystick.{oldest}")
    await forget(retention(url, timedelta(0)))
    assert not await own.fetchval("select to_regclass($1)", f"tallystick.{oldest}")


async def test_inserts_go_on_while_partitions_are_made_and_dropped(url: str, own: Any) -> None:
    await retention(url).prepare()
    async with own.transaction():
        id_ = first_id(await now_ms(own))
        await own.execute("insert into tallystick.inbox (reader, id) values (1, $1)", id_)
        async with asyncio.timeout(10):
            await retention(url, timedelta(seconds=90)).round()  # makes some, beside our locks
    assert await own.fetchval("select count(*) from tallystick.inbox") == 1


async def test_a_lock_that_is_held_delays_no_commit_for_long(
    url: str, own: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retentions, "TRIES", 2)
    async with own.transaction():
        await own.execute("lock table tallystick.inbox in share update exclusive mode")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await retention(url).prepare()
    await retention(url).prepare()


async def test_only_one_replica_at_a_time_drops(url: str, own: Any, at_once: None) -> None:
    await retention(url).prepare()
    before = await names(own, "inbox")
    await own.execute("select pg_advisory_lock($1)", retentions._LOCK)
    await forget(retention(url, timedelta(0)))
    assert await names(own, "inbox") == before


async def test_ids_are_looked_up_in_one_partition_without_statistics(url: str, own: Any) -> None:
    """A plan that was made while a partition was empty must not scan it once it is full."""
    await retention(url, MONTH).prepare()
    today = first_id(await now_ms(own)).int
    await own.execute("set enable_seqscan = off")
    await own.execute("set plan_cache_mode = force_generic_plan")
    looks = await own.prepare(
        "select exists (select from tallystick.inbox i where i.reader = k.reader and i.id = k.id)"
        " from unnest($1::int[], $2::uuid[]) k(reader, id)"
    )
    ids = [UUID(int=today + n) for n in range(20_000)]
    assert not (await looks.fetch([1] * 100, ids[:100]))[0][0]
    await own.executemany(
        "insert into tallystick.inbox (reader, id) values (1, $1)", [(id_,) for id_ in ids]
    )
    plan = str(await looks.explain([1], ids[:1]))
    assert "Seq Scan" not in plan
    assert all(row[0] for row in await looks.fetch([1] * 100, ids[:100]))


async def since(own: Any) -> int:
    return int(await own.fetchval("select coalesce(max(since), 0) from tallystick.kept"))


async def test_what_will_be_forgotten_is_announced_a_minute_before_it_is_dropped(
    url: str, own: Any
) -> None:
    await retention(url).prepare()
    before = await names(own, "inbox")
    past = retention(url, timedelta(0))
    await forget(past)
    assert (await names(own, "inbox"))[: len(before)] == before
    announced = await since(own)
    assert announced > await now_ms(own) - 20_000
    await own.execute("update tallystick.kept set announced_at = now() - interval '61 seconds'")
    await past.round()
    assert not set(before[:1]) & set(await names(own, "inbox"))
    assert announced <= await since(own)


async def days(own: Any, count: int) -> None:
    """Make the day partitions of the last days, each with some rows, and those to come."""
    today = (await now_ms(own)) // DAY_MS * DAY_MS
    for table in PARTITIONED:
        for day in range(-count, 8):
            bounds = Bounds(today + day * DAY_MS, today + (day + 1) * DAY_MS)
            low, high = bounds.ids
            await own.execute(
                f"create table tallystick.{table}_{bounds.suffix} partition of tallystick.{table}"
                f" for values from ('{low}') to ('{high}')"
            )
    for day in range(-count, 1):
        ids = [UUID(int=first_id(today + day * DAY_MS).int + n) for n in range(200)]
        rows = [(id_, datetime.now(UTC)) for id_ in ids]
        await own.executemany(INTO_OUTBOX, rows)
        await own.executemany(
            "insert into tallystick.inbox (reader, id) values (1, $1)", [(id_,) for id_ in ids]
        )


async def taken(own: Any) -> int:
    return sum([await own.fetchval(SIZE, f"tallystick.{table}") for table in PARTITIONED])


async def test_above_a_size_the_oldest_days_go_first_the_outbox_two_days_ahead(
    url: str, own: Any, at_once: None
) -> None:
    await days(own, 10)
    most = await taken(own) * 2 // 3
    keeping = retention(url, MONTH, most)
    await forget(keeping)
    assert await taken(own) <= most
    inbox, outbox = await names(own, "inbox"), await names(own, "outbox")
    assert len(outbox) == len(inbox) - 2 < 16
    assert (
        inbox[0].removeprefix("inbox")
        == f"_{datetime.fromtimestamp(await since(own) / 1000, UTC):%Y%m%d_%H%M%S}"
    )
    await forget(keeping)
    assert await names(own, "inbox") == inbox  # no more than that


async def test_however_little_may_be_kept_today_stays_and_that_is_told(
    url: str, own: Any, at_once: None
) -> None:
    await days(own, 4)
    with capture_logs() as lines:
        await forget(retention(url, MONTH, 1))
    assert len(await names(own, "outbox")) == 8
    assert len(await names(own, "inbox")) == 10
    assert "tables too large" in [line["event"] for line in lines]


async def test_a_day_with_messages_that_were_never_sent_stays_whatever_its_size(
    url: str, own: Any, at_once: None
) -> None:
    await days(own, 4)
    oldest = (await names(own, "outbox"))[0]
    first = await own.fetchval(f"select id from tallystick.{oldest} order by id limit 1")
    await own.execute("update tallystick.outbox set sent_at = null where id = $1", first)
    await forget(retention(url, MONTH, 1))
    assert oldest in await names(own, "outbox")
    assert len(await names(own, "outbox")) == 9


async def test_it_is_shown_since_when_messages_are_kept_and_what_they_take(
    url: str, own: Any, at_once: None
) -> None:
    await days(own, 4)
    await forget(retention(url, MONTH, 1))
    today = (await now_ms(own)) // DAY_MS * DAY_MS
    for table, spans in (("outbox", 0), ("inbox", 2)):
        shown = child(KEPT_SINCE, table)._value.get()
        assert shown == (today - spans * DAY_MS) / 1000
        assert child(KEPT_BYTES, table)._value.get() == await own.fetchval(
            SIZE, f"tallystick.{table}"
        )
    assert KEPT_LIMIT._value.get() == 1


async def test_without_a_limit_none_is_shown(url: str) -> None:
    await forget(retention(url, MONTH))
    assert KEPT_LIMIT._value.get() == 0
