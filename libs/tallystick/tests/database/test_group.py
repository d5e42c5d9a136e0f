import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tallystick._database.group import LARGEST, RETRIES, AlreadyProcessed, Group
from tallystick._database.pool import Target
from tallystick._database.session import Session
from tallystick._database.units import Unit, Write
from tallystick.errors import Conflict, DatabaseUnavailable, InDoubt
from tallystick.testing import eventually

Sql = Callable[..., Awaitable[list[Any]]]
NAME = "group-under-test"

ADD = "insert into things (id, value) values ($1, $2) on conflict do nothing returning id"
ADD_CODE = "insert into things (id, code) values ($1, $2)"
RAISE_TO = "update things set value = value + 1 where id = $1 and value = $2 returning id"
RECEIVE = """insert into tallystick.effects (durable, key) values ('d', $1)
on conflict do nothing returning key"""
KILL = "select pg_terminate_backend(pg_backend_pid())"


def add(key: int, value: int = 0, *, settlement: str | None = None) -> Unit:
    taking = Write(RECEIVE, (settlement,), settlement) if settlement else None
    return Unit((Write(ADD, (key, value), key),), (), taking)


def raised(key: int, value: int) -> Unit:
    return Unit((Write(RAISE_TO, (key, value), key),))


async def outcomes(group: Group, *units: Unit) -> list[Any]:
    """Commit these units at the same moment; return the result or the error of each."""
    return await asyncio.gather(*map(group.submit, units), return_exceptions=True)


async def connect(url: str) -> Session:
    return await Target(url, NAME, 5).connect()


@pytest.fixture
async def group(database_url: str, sql: Sql) -> AsyncIterator[Group]:
    group = Group("tests", lambda: connect(database_url))
    yield group
    await group.close()


@pytest.fixture
def fail_first(sql: Sql) -> Callable[..., Awaitable[None]]:
    """Let the first `times` transactions that add things fail, at the statement or the commit."""

    async def make(what: str, times: int = 1, *, at_commit: bool = False) -> None:
        await sql("create sequence if not exists failures")
        await sql("alter sequence failures restart")
        kind = "constraint trigger" if at_commit else "trigger"
        late = "deferrable initially deferred" if at_commit else ""
        await sql(
            f"""create or replace function fail() returns trigger as $$ begin
            if nextval('failures') <= {times} then {what}; end if;
            return null; end $$ language plpgsql"""
        )
        await sql(
            f"create {kind} fail after insert on things {late} for each row execute function fail()"
        )

    return make


async def test_concurrent_units_share_a_transaction(group: Group, sql: Sql) -> None:
    await outcomes(group, *(add(n) for n in range(LARGEST)))
    assert len(await sql("select distinct tx from things")) == 1
    assert len(await sql("select from things")) == LARGEST


async def test_no_transaction_has_more_units_than_it_may(group: Group, sql: Sql) -> None:
    await outcomes(group, *(add(n) for n in range(3 * LARGEST + 1)))
    sizes = [row[0] for row in await sql("select count(*) from things group by tx")]
    assert sorted(sizes) == [1, LARGEST, LARGEST, LARGEST]


async def test_a_conflict_rolls_back_its_unit_alone(group: Group, sql: Sql) -> None:
    await group.submit(add(5))
    units = [add(n, settlement=str(n)) for n in range(10)]
    found = await outcomes(group, *units)
    assert [n for n, outcome in enumerate(found) if isinstance(outcome, Conflict)] == [5]
    assert [r[0] for r in await sql("select id from things order by 1")] == list(range(10))
    taken = {row[0] for row in await sql("select key from tallystick.effects")}
    assert taken == {str(n) for n in range(10)} - {"5"}


async def test_a_conflict_undoes_the_writes_before_it(group: Group, sql: Sql) -> None:
    unit = Unit((Write(ADD, (1, 0), 1), Write(RAISE_TO, (2, 0), 2)))
    with pytest.raises(Conflict):
        await group.submit(unit)
    assert await sql("select from things") == []


async def test_a_message_is_received_once(group: Group, sql: Sql) -> None:
    await group.submit(add(1, settlement="a"))
    first, again, other = await outcomes(
        group, add(2, settlement="b"), add(3, settlement="a"), add(4, settlement="c")
    )
    assert (type(first), type(again), type(other)) == (frozenset, AlreadyProcessed, frozenset)
    assert [r[0] for r in await sql("select id from things order by 1")] == [1, 2, 4]


async def test_a_message_that_comes_twice_at_once_is_received_once(group: Group, sql: Sql) -> None:
    found = await outcomes(group, *(add(n, settlement="same") for n in range(5)))
    assert sum(isinstance(outcome, AlreadyProcessed) for outcome in found) == 4
    assert len(await sql("select from things")) == 1


async def test_of_two_units_for_one_row_the_second_sees_the_writes_of_the_first(
    group: Group, sql: Sql
) -> None:
    await group.submit(add(1))
    found = await outcomes(group, raised(1, 0), raised(1, 0), raised(1, 0))
    assert sorted(type(outcome).__name__ for outcome in found) == [
        "Conflict",
        "Conflict",
        "frozenset",
    ]
    assert await sql("select value from things") == [(1,)]


@pytest.mark.parametrize("guilty", [0, 7, 19])
async def test_a_failing_statement_is_blamed_on_its_unit_alone(
    group: Group, sql: Sql, guilty: int
) -> None:
    found = await outcomes(
        group, *(add(n, 13 if n == guilty else 0, settlement=str(n)) for n in range(20))
    )
    assert [n for n, o in enumerate(found) if isinstance(o, asyncpg.CheckViolationError)] == [
        guilty
    ]
    assert len(await sql("select from things")) == 19
    assert len(await sql("select from tallystick.effects")) == 19


@pytest.mark.parametrize("value", ["no number", 2**40, None, object()])
async def test_an_argument_that_no_column_takes_is_blamed_on_its_unit_alone(
    group: Group, sql: Sql, value: Any
) -> None:
    good, bad, also_good = await outcomes(group, add(1), add(2, value), add(3))
    assert isinstance(bad, asyncpg.DataError | asyncpg.NotNullViolationError)
    assert (type(good), type(also_good)) == (frozenset, frozenset)
    assert [r[0] for r in await sql("select id from things order by 1")] == [1, 3]


async def test_arguments_that_do_not_fit_their_statement_are_blamed_on_their_unit_alone(
    group: Group, sql: Sql
) -> None:
    bad, good = await outcomes(group, Unit((Write(ADD_CODE, (1,)),)), add(2))
    assert isinstance(bad, asyncpg.InterfaceError)
    assert isinstance(good, frozenset)


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
async def test_text_that_cannot_be_stored_is_blamed_on_its_unit_alone(
    group: Group, sql: Sql, text: str
) -> None:
    bad, good = await outcomes(group, Unit((Write(ADD_CODE, (1, text)),)), add(2))
    assert isinstance(bad, asyncpg.DataError)
    assert isinstance(good, frozenset)
    assert await sql("select id from things") == [(2,)]


async def test_of_units_that_exclude_each_other_one_is_stored(group: Group, sql: Sql) -> None:
    found = await outcomes(group, *(Unit((Write(ADD_CODE, (n, "same")),)) for n in range(4)))
    assert sum(isinstance(outcome, asyncpg.UniqueViolationError) for outcome in found) == 3
    assert len(await sql("select from things")) == 1


async def test_a_unit_that_fails_at_the_commit_fails_alone(group: Group, sql: Sql) -> None:
    await sql(
        "alter table things add foreign key (value) references things (id) "
        "deferrable initially deferred"
    )
    good, bad, also_good = await outcomes(group, add(1, 1), add(2, 99), add(3, 3))
    assert isinstance(bad, asyncpg.ForeignKeyViolationError)
    assert (type(good), type(also_good)) == (frozenset, frozenset)
    assert [r[0] for r in await sql("select id from things order by 1")] == [1, 3]


async def test_the_outputs_that_are_new_are_returned(group: Group) -> None:
    await group.submit(add(1))
    unit = Unit((), (Write(ADD, (1, 0), 1), Write(ADD, (2, 0), 2)))
    assert await group.submit(unit) == {2}


async def test_an_output_that_is_stored_already_is_no_conflict(group: Group, sql: Sql) -> None:
    await group.submit(add(1))
    await group.submit(Unit((Write(ADD, (2, 0), 2),), (Write(ADD, (1, 0), 1),)))
    assert len(await sql("select from things")) == 2


async def test_a_guard_of_several_columns_is_met_as_a_whole(group: Group, sql: Sql) -> None:
    statement = "insert into things (id, value) values ($1, $2) returning id, value"
    await group.submit(Unit((Write(statement, (1, 2), (1, 2)),)))
    with pytest.raises(Conflict):
        await group.submit(Unit((Write(statement, (2, 2), (2, 3)),)))
    assert await sql("select id from things") == [(1,)]


async def test_a_connection_lost_before_the_commit_stores_nothing(group: Group, sql: Sql) -> None:
    found = await outcomes(group, add(1), Unit((Write(KILL),)), add(2))
    assert [type(outcome) for outcome in found] == [DatabaseUnavailable] * 3
    assert await sql("select from things") == []
    await group.submit(add(3))
    assert await sql("select id from things") == [(3,)]


async def test_a_connection_lost_while_idle_is_made_anew(group: Group, sql: Sql) -> None:
    await group.submit(add(1))
    await sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1", NAME
    )
    await eventually(lambda: all(not lane.is_connected for lane in group._idle))
    await group.submit(add(2))
    assert len(await sql("select from things")) == 2


async def test_a_connection_lost_at_the_commit_is_in_doubt(
    group: Group, sql: Sql, fail_first: Callable[..., Awaitable[None]]
) -> None:
    await fail_first("perform pg_terminate_backend(pg_backend_pid())", at_commit=True)
    found = await outcomes(group, add(1), add(2))
    assert [type(outcome) for outcome in found] == [InDoubt, InDoubt]
    assert await sql("select from things") == []


async def test_a_commit_whose_answer_is_lost_is_in_doubt_and_not_repeated(
    database_url: str, sql: Sql, cut_at: Callable[..., Any]
) -> None:
    async with cut_at(database_url, b"commit") as url:
        group = Group("tests", lambda: connect(url))
        found = await outcomes(group, add(1), add(2))
        await group.close()
    assert [type(outcome) for outcome in found] == [InDoubt, InDoubt]
    assert len(await sql("select from things")) == 2


@pytest.mark.parametrize("state", ["serialization_failure", "deadlock_detected"])
@pytest.mark.parametrize("at_commit", [False, True])
async def test_an_error_that_passes_is_retried_and_blamed_on_no_unit(
    group: Group, sql: Sql, fail_first: Callable[..., Awaitable[None]], state: str, at_commit: bool
) -> None:
    await fail_first(f"raise exception '' using errcode = '{state}'", 3, at_commit=at_commit)
    found = await outcomes(group, *(add(n) for n in range(5)))
    assert not any(isinstance(outcome, Exception) for outcome in found)
    assert len(await sql("select from things")) == 5


async def test_an_error_that_does_not_pass_is_raised_after_the_last_retry(
    group: Group, fail_first: Callable[..., Awaitable[None]]
) -> None:
    await fail_first("raise exception '' using errcode = 'serialization_failure'", 1000)
    with pytest.raises(asyncpg.SerializationError):
        await group.submit(add(1))
    await group.submit(Unit())
    assert RETRIES < 100


@pytest.mark.parametrize(
    "state", ["disk_full", "too_many_connections", "read_only_sql_transaction"]
)
async def test_a_server_that_cannot_write_is_blamed_on_no_unit(
    group: Group, sql: Sql, fail_first: Callable[..., Awaitable[None]], state: str
) -> None:
    await fail_first(f"raise exception '' using errcode = '{state}'")
    found = await outcomes(group, add(1), add(2))
    assert [type(outcome) for outcome in found] == [DatabaseUnavailable] * 2
    await group.submit(add(3))
    assert await sql("select id from things") == [(3,)]


@pytest.mark.parametrize(
    "state", ["out_of_memory", "query_canceled", "configuration_limit_exceeded"]
)
async def test_an_error_of_a_shared_statement_is_raised_to_no_unit_that_succeeds_alone(
    group: Group, sql: Sql, fail_first: Callable[..., Awaitable[None]], state: str
) -> None:
    await fail_first(f"raise exception '' using errcode = '{state}'")
    found = await outcomes(group, add(1), add(2))
    assert [type(outcome) for outcome in found] == [frozenset, frozenset]


async def test_a_migration_between_two_groups_is_blamed_on_no_unit(group: Group, sql: Sql) -> None:
    await group.submit(add(1))
    await sql("alter table things alter id type bigint")
    found = await outcomes(group, add(2), add(3))
    assert not any(isinstance(outcome, Exception) for outcome in found)


async def test_a_server_that_nobody_can_log_in_to_is_unavailable(database_url: str) -> None:
    wrong = database_url.replace("@", "x@")
    group = Group("tests", lambda: connect(wrong))
    with pytest.raises(DatabaseUnavailable, match="password"):
        await group.submit(add(1))
    await group.close()


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    group = Group("tests", lambda: connect("postgresql://nobody@127.0.0.1:1/none"))
    with pytest.raises(DatabaseUnavailable):
        await group.submit(add(1))
    await group.close()


async def test_a_caller_that_gives_up_does_not_affect_others(group: Group, sql: Sql) -> None:
    callers = [asyncio.create_task(group.submit(add(n))) for n in range(5)]
    await asyncio.sleep(0)
    callers[2].cancel()
    found = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(outcome).__name__ for outcome in found].count("frozenset") == 4
    assert isinstance(found[2], asyncio.CancelledError)
    assert len(await sql("select from things")) == 5


async def test_a_caller_that_gives_up_waiting_for_an_error_does_not_affect_others(
    group: Group,
) -> None:
    callers = [asyncio.create_task(group.submit(add(n, 13))) for n in range(2)]
    await asyncio.sleep(0)
    callers[0].cancel()
    found = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(found[1], asyncpg.CheckViolationError)


async def test_closing_commits_all_submitted_units(group: Group, sql: Sql) -> None:
    callers = [asyncio.create_task(group.submit(add(n))) for n in range(3)]
    await asyncio.sleep(0)
    await group.close()
    await asyncio.gather(*callers)
    assert len(await sql("select from things")) == 3


async def test_groups_that_want_the_same_rows_do_not_block_each_other(
    database_url: str, group: Group, sql: Sql
) -> None:
    other = Group("others", lambda: connect(database_url))
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    before = await sql(deadlocks)
    await outcomes(group, *(add(n) for n in range(40)))
    async with asyncio.timeout(10):
        for value in range(10):
            forth = outcomes(group, *(raised(n, value) for n in range(40)))
            back = outcomes(other, *(raised(n, value) for n in reversed(range(40))))
            both = await asyncio.gather(forth, back)
            conflicts = sum(isinstance(o, Conflict) for outcome in both for o in outcome)
            assert conflicts == 40
    await other.close()
    assert await sql(deadlocks) == before


async def test_a_statement_that_takes_too_long_is_blamed_on_its_unit_and_delays_few(
    database_url: str, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = Group("tests", Target(database_url, NAME, 0.5).connect, within_s=0.2)
    slow = Unit((Write("insert into things (id) select $1 from pg_sleep(30)", (99,)),))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    failing = asyncio.create_task(group.submit(slow))
    await asyncio.gather(*(group.submit(add(n)) for n in range(20)))
    assert loop.time() - begun < 2
    with pytest.raises(TimeoutError):
        await failing
    assert len(await sql("select from things")) == 20
    await group.close()


async def test_the_same_statement_that_waits_for_a_lock_is_blamed_on_its_unit(
    database_url: str, sql: Sql
) -> None:
    group = Group("tests", Target(database_url, NAME, 0.4).connect, within_s=0.2)
    await outcomes(group, *(add(n) for n in range(8)))
    other = await connect(database_url)
    async with other.transaction():
        await other.execute("select from things where id = 5 for update")
        found = await outcomes(group, *(raised(n, 0) for n in range(8)))
    kinds = [type(outcome).__name__ for outcome in found]
    assert kinds == ["frozenset"] * 5 + ["TimeoutError"] + ["frozenset"] * 2
    other.drop()
    await group.close()


@pytest.mark.parametrize("guard", [["a", "b"], {"a": 1}, ("a", ["b"])])
def test_a_value_that_cannot_be_a_guard_is_refused_when_the_write_is_made(guard: Any) -> None:
    with pytest.raises(TypeError, match="a guard is a key"):
        Write("update things set value = 1 returning id", (), guard=guard)


async def test_a_statement_without_a_guard_may_return_anything(group: Group, sql: Sql) -> None:
    statement = "insert into things (id) values ($1) returning array[id], '{}'::jsonb"
    found = await outcomes(group, Unit((Write(statement, (1,)),)), add(2))
    assert [type(outcome) for outcome in found] == [frozenset, frozenset]
    assert len(await sql("select from things")) == 2


async def test_a_guard_that_cannot_be_compared_is_blamed_on_its_unit_alone(
    group: Group, sql: Sql
) -> None:
    statement = "insert into things (id) values ($1) returning array[id]"
    good, bad, also_good = await outcomes(
        group, add(1), Unit((Write(statement, (2,), (2,)),)), add(3)
    )
    assert isinstance(bad, TypeError)
    assert (type(good), type(also_good)) == (frozenset, frozenset)
    assert [r[0] for r in await sql("select id from things order by 1")] == [1, 3]


async def test_a_guard_of_another_type_than_its_column_is_no_conflict(
    group: Group, sql: Sql
) -> None:
    await sql("create table if not exists parcels (id uuid primary key, weight int)")
    await sql("truncate parcels")
    known = uuid4()
    await sql("insert into parcels values ($1, 1)", known)
    statement = "update parcels set weight = $2 where id = $1 returning id"
    wrong = Unit((Write(statement, (str(known), 2), str(known)),))
    with pytest.raises(TypeError, match=r"the type that the column returns \(UUID, not str\)"):
        await group.submit(wrong)
    assert await sql("select weight from parcels") == [(1,)]
    await group.submit(Unit((Write(statement, (known, 2), known),)))
    with pytest.raises(Conflict):
        await group.submit(Unit((Write(statement, (uuid4(), 2), uuid4()),)))
    await sql("drop table parcels")


async def test_an_error_of_our_own_leaves_no_queue_behind(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick._database.group.batches", lambda _: 1 / 0)
    found = await outcomes(group, add(1), add(2))
    assert [type(outcome) for outcome in found] == [ZeroDivisionError] * 2
    monkeypatch.undo()
    await group.submit(add(3))
    assert group.waiting == 0


ADD_TOGETHER = """insert into things (id, value)
select * from unnest($1::int[], $2::int[]) on conflict do nothing returning id"""


def add_together(key: int, value: int = 0) -> Unit:
    return Unit((Write(ADD_TOGETHER, (key, value), key, arrays=True),))


async def test_writes_of_arrays_are_one_statement_and_each_still_has_its_own_outcome(
    group: Group, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    await group.submit(add(2))
    ran = list[str]()
    fetch = Session.fetch

    async def counted(self: Session, statement: str, *args: Any, **more: Any) -> Any:
        ran.append(statement)
        return await fetch(self, statement, *args, **more)

    monkeypatch.setattr(Session, "fetch", counted)
    found = await outcomes(group, *map(add_together, range(5)))
    assert [type(one) for one in found] == [*[frozenset] * 2, Conflict, *[frozenset] * 2]
    assert ran == [ADD_TOGETHER] * 2  # once with the unit in conflict, once without it
    assert len(await sql("select from things")) == 5


async def test_a_row_of_an_array_that_fails_is_blamed_on_its_unit_alone(
    group: Group, sql: Sql
) -> None:
    found = await outcomes(group, *(add_together(key, 13 if key == 2 else 0) for key in range(5)))
    assert isinstance(found[2], asyncpg.CheckViolationError)
    assert len(await sql("select from things")) == 4


async def test_a_write_of_arrays_can_be_done_alone(group: Group, sql: Sql) -> None:
    write = Write(ADD_TOGETHER, (1, 2), 1, arrays=True)
    assert await sql(write.sql, *write.alone) == [(1,)]
    assert list(Write(ADD, (1, 2), 1).alone) == [1, 2]
