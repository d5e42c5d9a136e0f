import asyncio
from uuid import uuid4

import pytest

from tallystick._database.postgres import MOST_STATEMENTS, Postgres
from tallystick._database.reads import BatchedReads


class Store:
    """Remembers what it was asked for; answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.values = {1: "one", 2: "two"}
        self.go = asyncio.Event()
        self.go.set()

    async def read(self, keys: list[int]) -> dict[int, str]:
        self.asked.append(keys)
        await self.go.wait()
        if 13 in keys:
            raise LookupError("thirteen")
        return {key: self.values[key] for key in keys if key in self.values}


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


async def test_a_key_asked_for_after_a_query_has_left_waits_for_the_next(
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


async def test_an_error_is_raised_to_each_caller_of_its_query_and_no_other(
    reads: BatchedReads[int, str],
) -> None:
    found = await asyncio.gather(reads.get(1), reads.get(13), return_exceptions=True)
    assert [type(outcome) for outcome in found] == [LookupError, LookupError]
    assert await reads.get(1) == "one"


async def test_a_caller_that_gives_up_hurts_nobody(
    store: Store, reads: BatchedReads[int, str]
) -> None:
    store.go.clear()
    one, other = asyncio.create_task(reads.get(1)), asyncio.create_task(reads.get(1))
    failing = asyncio.create_task(reads.get(13))
    await asyncio.sleep(0)
    one.cancel()
    failing.cancel()
    store.go.set()
    with pytest.raises(LookupError):
        await other
    assert one.cancelled()


async def test_rows_of_a_database_are_found_by_their_first_column(database: Postgres) -> None:
    ids = [uuid4() for _ in range(3)]
    values = ", ".join(f"('{id_}'::uuid, '{number}')" for number, id_ in enumerate(ids))
    query = f"select id, text from (values {values}) v(id, text) where id = any($1::uuid[])"
    rows = await asyncio.gather(*(database.get(query, id_) for id_ in [*ids, uuid4()]))
    assert [row and row["text"] for row in rows] == ["0", "1", "2", None]


async def test_statements_that_are_made_anew_each_time_are_not_kept_for_ever(
    database: Postgres,
) -> None:
    for number in range(MOST_STATEMENTS + 50):
        sql = f"select id, {number} as said from unnest(array[1]) id where id = any($1::int[])"
        row = await database.get(sql, 1)
        assert row is not None
        assert row["said"] == number
    assert len(database._reads) == MOST_STATEMENTS


async def test_a_reader_whose_statement_is_forgotten_meanwhile_gets_its_answer(
    database: Postgres,
) -> None:
    def sql(number: int) -> str:
        return f"select id, {number} as said from unnest(array[1]) id where id = any($1::int[])"

    wanted = range(2 * MOST_STATEMENTS)
    rows = await asyncio.gather(*(database.get(sql(number), 1) for number in wanted))
    assert [row["said"] for row in rows if row is not None] == list(wanted)
