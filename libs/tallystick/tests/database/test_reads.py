import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tallystick._database.postgres import MOST_STATEMENTS, Postgres
from tallystick._database.reads import BatchedReads
from tallystick.errors import DatabaseUnavailable

Sql = Callable[..., Awaitable[list[Any]]]


class Store:
    """Records the keys that it was asked for; answers once it is opened."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.values = {1: "one", 2: "two"}
        self.go = asyncio.Event()
        self.go.set()

    async def read(self, keys: list[int]) -> list[tuple[int, str]]:
        self.asked.append(keys)
        await self.go.wait()
        if 13 in keys:
            raise LookupError("thirteen")
        return [(key, self.values[key]) for key in keys if key in self.values]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def reads(store: Store) -> BatchedReads[int, str]:
    return BatchedReads(store.read)


async def test_callers_of_one_turn_share_a_query(
    store: Store, reads: BatchedReads[int, str]
) -> None:
    found = await asyncio.gather(*map(reads.get, [1, 2, 1, 3]))
    assert found == ["one", "two", "one", None]
    assert store.asked == [[1, 2, 3]]


async def test_a_key_requested_after_a_query_was_sent_waits_for_the_next(
    store: Store, reads: BatchedReads[int, str]
) -> None:
    store.go.clear()
    early = asyncio.create_task(reads.get(1))
    while not store.asked:
        await asyncio.sleep(0)
    late = asyncio.create_task(reads.get(1))
    store.go.set()
    assert (await early, await late) == ("one", "one")
    assert store.asked == [[1], [1]]


async def test_an_error_is_raised_to_those_whose_key_it_comes_from(
    reads: BatchedReads[int, str],
) -> None:
    asked = map(reads.get, [1, 13, 2, 3, 13])
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(outcome).__name__ for outcome in found] == [
        *("str", "LookupError", "str", "NoneType", "LookupError")
    ]


async def test_a_database_that_is_away_is_not_queried_again_for_each_key() -> None:
    asked = []

    async def read(keys: list[int]) -> list[tuple[int, str]]:
        asked.append(keys)
        raise DatabaseUnavailable

    reads = BatchedReads(read)
    found = await asyncio.gather(*map(reads.get, range(9)), return_exceptions=True)
    assert {type(outcome) for outcome in found} == {DatabaseUnavailable}
    assert len(asked) == 1


async def test_a_caller_that_gives_up_does_not_affect_others(
    store: Store, reads: BatchedReads[int, str]
) -> None:
    store.go.clear()
    one, other = asyncio.create_task(reads.get(1)), asyncio.create_task(reads.get(1))
    failing = asyncio.create_task(reads.get(13))
    await asyncio.sleep(0)
    one.cancel()
    failing.cancel()
    store.go.set()
    assert await other == "one"
    assert one.cancelled()


async def test_rows_of_a_database_are_found_by_their_first_column(database: Postgres) -> None:
    ids = [uuid4() for _ in range(3)]
    values = ", ".join(f"('{id_}'::uuid, '{number}')" for number, id_ in enumerate(ids))
    query = f"select id, text from (values {values}) v(id, text) where id = any($1::uuid[])"
    rows = await asyncio.gather(*(database.get(query, id_) for id_ in [*ids, uuid4()]))
    assert [row and row["text"] for row in rows] == ["0", "1", "2", None]


async def test_a_key_that_cannot_be_queried_fails_no_other_read(
    database: Postgres, sql: Sql
) -> None:
    await sql("insert into things (id, code) values (1, 'a'), (2, 'b')")
    query = "select code, id from things where code = any($1)"
    asked = (database.get(query, key) for key in ("a", "x\0y", "b", 7))
    a, nul, b, number = await asyncio.gather(*asked, return_exceptions=True)
    assert [row["id"] for row in (a, b) if isinstance(row, asyncpg.Record)] == [1, 2]
    assert isinstance(nul, asyncpg.DataError)
    assert isinstance(number, asyncpg.DataError)


@pytest.mark.parametrize("write", [str, lambda key: str(key).upper(), lambda key: key.hex])
async def test_a_key_is_compared_as_the_database_compares(
    database: Postgres, write: Callable[[UUID], str]
) -> None:
    ids = [uuid4() for _ in range(3)]
    values = ", ".join(f"('{id_}'::uuid, '{number}')" for number, id_ in enumerate(ids))
    query = f"select id, text from (values {values}) v(id, text) where id = any($1::uuid[])"
    keys: list[Any] = [write(ids[0]), ids[1], write(ids[2]), str(uuid4()), uuid4()]
    rows = await asyncio.gather(*(database.get(query, key) for key in keys))
    assert [row and row["text"] for row in rows] == ["0", "1", "2", None, None]


async def test_statements_that_are_made_anew_each_time_are_not_kept_for_ever(
    database: Postgres,
) -> None:
    for number in range(MOST_STATEMENTS + 50):
        sql = f"select id, {number} as value from unnest(array[1]) id where id = any($1::int[])"
        row = await database.get(sql, 1)
        assert row is not None
        assert row["value"] == number
    assert len(database._reads) == MOST_STATEMENTS


async def test_a_reader_whose_statement_is_forgotten_meanwhile_gets_its_answer(
    database: Postgres,
) -> None:
    def sql(number: int) -> str:
        return f"select id, {number} as value from unnest(array[1]) id where id = any($1::int[])"

    wanted = range(2 * MOST_STATEMENTS)
    rows = await asyncio.gather(*(database.get(sql(number), 1) for number in wanted))
    assert [row["value"] for row in rows if row is not None] == list(wanted)
