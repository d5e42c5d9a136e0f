"""A message that kills its process kills a child, and blame falls on it alone."""

import asyncio
import importlib
import os
import pickle
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent

import asyncpg
import pytest

from tallystick import Database, Settings
from tallystick._claims import Claims
from tallystick._isolation import AWAY, _Child
from tallystick._protocol import SUSPECT_LAPSES
from tallystick._runtime import Runtime
from tallystick._watchdog import EXIT_CODE

SERVICE = """
    import os, re, time
    from datetime import timedelta
    from pathlib import Path
    from fastapi import APIRouter
    from tallystick import Delivery, Effect, Router, Settings, Write, service

    class Do(Effect, name="grim.do", version=1, key="what"):
        what: str

    router = Router("grim")

    @router.effect(Do, deadline=timedelta(seconds=1), concurrency=2)
    async def do(effect: Do, delivery: Delivery) -> None:
        if effect.what.startswith("exit"):
            os._exit(int(effect.what[-1]))
        Path(__file__).with_name("begun").touch()
        if effect.what == "no thread runs":
            re.match("(a+)+b", "a" * 99)
        while effect.what.startswith("loop"):
            print("what is printed is no sign of life", flush=True)
            time.sleep(0.1)
        deed = f"{effect.what} {os.getpid()}"
        await delivery.commit(Write("insert into deeds values ($1)", (deed,)))

    def app(settings):
        return service(settings, router, APIRouter())
"""
SLOTS = 2
NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"
MARK_AS_SUSPECT = "update tallystick.held set lapses = $1"


@pytest.fixture
async def grim(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Settings]:
    """The settings of a service `grim`, whose package can be imported here and in a child."""
    (tmp_path / "grim").mkdir()
    (tmp_path / "grim" / "main.py").write_text(dedent(SERVICE))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    connection = await asyncpg.connect(database_url)
    await connection.execute("create table if not exists deeds (what text)")
    await connection.close()
    yield Settings(database_url=database_url, sweep_s=0.1)
    for module in [name for name in sys.modules if name.partition(".")[0] == "grim"]:
        del sys.modules[module]


@asynccontextmanager
async def running(settings: Settings, *suspects: str) -> AsyncIterator[Database]:
    """The service at work on these effects, each of which was lost with its replica twice."""
    async with stored(settings, *suspects) as runtime:
        runtime._slots.closed = False
        async with runtime.running():
            yield runtime.database


@asynccontextmanager
async def stored(settings: Settings, *suspects: str) -> AsyncIterator[Runtime]:
    """The service not yet at work on them."""
    module = importlib.import_module("grim.main")
    runtime: Runtime = module.app(settings).state.composition.runtime
    runtime._slots.closed = True  # stored as due, started by nobody yet
    await runtime.database.commit(*(module.Do(what=what) for what in suspects))
    await runtime.database.fetch(MARK_AS_SUSPECT, SUSPECT_LAPSES)
    yield runtime


async def eventually(database: Database, sql: str, wanted: list[tuple[object, ...]]) -> None:
    found: list[tuple[object, ...]] = []
    deadline = asyncio.get_running_loop().time() + 60
    while found != wanted and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.05)
        found = [tuple(row) for row in await database.fetch(sql)]
    assert found == wanted


async def test_an_innocent_suspect_is_done_by_a_child(grim: Settings) -> None:
    async with running(grim, "good") as database:
        await eventually(database, "select split_part(what, ' ', 1) from deeds", [("good",)])
        deed = (await database.fetch("select what from deeds"))[0][0]
        assert deed != f"good {os.getpid()}"
        assert not await database.fetch("select from tallystick.held")


@pytest.mark.parametrize("poison", ["exit 9", "exit 0"])
async def test_who_kills_its_process_twice_is_dead_as_poison_and_nobody_else(
    grim: Settings, poison: str
) -> None:
    async with running(grim, poison, "good") as database:
        dead = "select id, state, reason from tallystick.held"
        await eventually(database, dead, [(poison, "dead", "poison")])
        await eventually(database, "select count(*) from deeds", [(1,)])
        outcomes = "select outcome from tallystick.attempts where id like 'exit%' order by claim"
        await eventually(database, outcomes, [("lapsed",), ("died",), ("died",), ("poison",)])


async def test_who_never_ends_is_killed_at_its_deadline(grim: Settings) -> None:
    async with running(grim, "loop") as database:
        died = "select outcome, error from tallystick.attempts where outcome = 'died' limit 1"
        await eventually(database, died, [("died", "its process ended with -9")])


@pytest.mark.parametrize(
    ("poison", "code"), [("loop", EXIT_CODE), ("no thread runs", -signal.SIGALRM)]
)
async def test_a_child_outlives_its_parent_in_no_attempt(
    grim: Settings, tmp_path: Path, poison: str, code: int
) -> None:
    async with stored(grim, poison) as runtime, runtime.database.connection() as connection:
        claims = Claims(runtime.database, "its parent")
        suspects = await claims.take_suspects(connection, ["grim-do"], SUSPECT_LAPSES)
    child = await _Child.start("grim", grim)
    child._send((suspects, 1.0))
    async with asyncio.timeout(30):
        while not (tmp_path / "grim" / "begun").exists():
            await asyncio.sleep(0.05)
        child._orders.close()  # as the system does when the parent is killed
        assert await child._process.wait() == code


async def test_a_child_ends_when_its_parent_was_killed_as_it_wrote(grim: Settings) -> None:
    child = await _Child.start("grim", grim)
    child._orders.write(pickle.dumps("an order")[:-2])
    child._orders.close()
    async with asyncio.timeout(30):
        assert await child._process.wait() == 0


async def test_a_child_without_its_database_ends_in_order(grim: Settings) -> None:
    async with stored(grim, "good") as runtime, runtime.database.connection() as connection:
        claims = Claims(runtime.database, "its parent")
        suspects = await claims.take_suspects(connection, ["grim-do"], SUSPECT_LAPSES)
    child = await _Child.start("grim", grim.model_copy(update={"database_url": NOWHERE}))
    assert await child.tries(suspects, 30) == AWAY
    async with asyncio.timeout(30):
        assert await child._process.wait() == 0  # though a thread still waits for orders


async def test_a_crowd_of_innocents_needs_no_process_each(grim: Settings) -> None:
    names = [f"good-{number}" for number in range(20)]
    async with running(grim, *names, "exit 9") as database:
        done = "select count(*) from tallystick.inbox where state = 'done'"
        await eventually(database, done, [(len(names),)])
        await eventually(
            database, "select id from tallystick.held where state = 'dead'", [("exit 9",)]
        )
        processes = "select count(distinct split_part(what, ' ', 2)) <= 5 from deeds"
        await eventually(database, processes, [(True,)])


async def test_a_suspect_takes_nobodys_slot(grim: Settings) -> None:
    """Suspects are as many as the slots, the first never ends; what is no suspect is done."""
    names = [f"loop-{number}" for number in range(SLOTS)]
    async with running(grim, *names) as database:
        await database.commit(importlib.import_module("grim.main").Do(what="good"))
        await eventually(database, "select split_part(what, ' ', 1) from deeds", [("good",)])
        waiting = await database.fetch("select from tallystick.held where state <> 'dead'")
        assert len(waiting) == SLOTS
