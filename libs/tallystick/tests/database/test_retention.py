import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from structlog.testing import capture_logs

from tallystick._database import retention as retentions
from tallystick._database.migrate import apply
from tallystick._database.pool import Target
from tallystick._database.retention import Retention
from tallystick._messages.ids import first_id
from tallystick.testing import PostgresServer

Sql = Callable[..., Awaitable[list[Any]]]
KEPT = timedelta(seconds=30)  # so that a partition is a second long
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


def retention(url: str, kept: timedelta = KEPT) -> Retention:
    return Retention(Target(url, "tests"), kept)


async def names(own: Any, table: str) -> list[str]:
    return [row[0] for row in await own.fetch(PARTITIONS, f"tallystick.{table}")]


async def now_ms(own: Any) -> int:
    return int(await own.fetchval("select extract(epoch from now()) * 1000"))


async def test_replicas_that_start_together_make_each_partition_once(url: str, own: Any) -> None:
    await asyncio.gather(*(retention(url, timedelta(days=30)).prepare() for _ in range(4)))
    assert len(await names(own, "inbox")) == len(await names(own, "outbox")) == 9


async def test_an_id_of_any_time_that_is_kept_can_be_stored(url: str, own: Any) -> None:
    await retention(url, timedelta(days=30)).prepare()
    for days in (-30, -29, -1, 0, 1, 6):
        id_ = first_id(await now_ms(own) + days * 86_400_000)
        await own.execute("insert into tallystick.inbox (reader, id) values (1, $1)", id_)
    for days in (-32, 9):
        id_ = first_id(await now_ms(own) + days * 86_400_000)
        with pytest.raises(asyncpg.CheckViolationError, match="no partition"):
            await own.execute("insert into tallystick.inbox (reader, id) values (1, $1)", id_)


async def test_old_rows_go_with_their_partition_and_the_rest_stays(url: str, own: Any) -> None:
    await retention(url).prepare()
    now = await now_ms(own)
    old, new = first_id(now - 1_500), first_id(now)
    for id_ in (old, new):
        await own.execute("insert into tallystick.inbox (reader, id) values (1, $1)", id_)
    kept = timedelta(milliseconds=1)  # of the past, nothing is kept
    async with asyncio.timeout(20):
        while (await now_ms(own)) < now + 1_100:
            await asyncio.sleep(0.05)
    past = retention(url)
    past._kept = kept
    with capture_logs() as lines:
        await past.round()
    assert [row[0] for row in await own.fetch("select id from tallystick.inbox")] in ([new], [])
    assert await own.fetchval("select count(*) from tallystick.inbox where id = $1", old) == 0
    assert "partition dropped" in [line["event"] for line in lines]
    left = await own.fetch("select relname from pg_class where relname ~ '^inbox_[0-9_]+$'")
    assert sorted(row[0] for row in left) == await names(own, "inbox")


async def test_a_partition_with_messages_that_were_never_sent_is_kept_and_warned_of(
    url: str, own: Any
) -> None:
    await retention(url).prepare()
    await own.execute(INTO_OUTBOX, first_id(await now_ms(own) - 2_000), None)
    (oldest, *_) = await names(own, "outbox")
    past = retention(url)
    past._kept = timedelta(0)
    with capture_logs() as lines:
        await past.round()
    assert oldest in await names(own, "outbox")
    assert [
        (line["name"], line["unsent"]) for line in lines if line["event"] == "partition kept"
    ] == [(oldest, 1)]


async def test_dropping_that_was_cut_off_is_finished(url: str, own: Any) -> None:
    await retention(url).prepare()
    (oldest, *_) = await names(own, "inbox")
    await own.execute(f"alter table tallystick.inbox detach partition tallystick.{oldest}")
    past = retention(url)
    past._kept = timedelta(0)
    await past.round()
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


async def test_only_one_replica_at_a_time_drops(url: str, own: Any) -> None:
    await retention(url).prepare()
    before = await names(own, "inbox")
    past = retention(url)
    past._kept = timedelta(0)
    await own.execute("select pg_advisory_lock($1)", retentions._LOCK)
    await past.round()
    assert await names(own, "inbox") == before


async def test_ids_are_looked_up_in_one_partition_without_statistics(url: str, own: Any) -> None:
    """A plan that was made while a partition was empty must not scan it once it is full."""
    await retention(url, timedelta(days=30)).prepare()
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
