"""A message that kills its process kills only a child, and only that message is blamed."""

import asyncio
import importlib
import os
import pickle
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent

import asyncpg
import psutil  # type: ignore[import-untyped]
import pytest
import uvloop
from structlog.testing import capture_logs

from tallystick import Database, Settings
from tallystick._deferred.isolation import BEGUN, CODE, DIED, Isolation, NotTried, _Child
from tallystick._deferred.leases import Leases
from tallystick._deferred.protocol import QUARANTINE_AFTER
from tallystick._deferred.rows import Deferred
from tallystick._service.runtime import Runtime
from tallystick._service.watchdog import EXIT_CODE

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
READS_ITS_SETTINGS = """
    class Own(Settings):
        model_config = {"env_prefix": "GRIM_"}

    def app():
        return service(Own(), router, APIRouter())
"""
THREAD = """
    import threading
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
"""
SLOTS = 2
NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"
QUARANTINE = "update tallystick.deferred set expired_leases = $1"


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
    monkeypatch.setenv("GRIM_DATABASE_URL", database_url)
    yield Settings(database_url=database_url, sweep_s=0.1)
    for module in [name for name in sys.modules if name.partition(".")[0] == "grim"]:
        del sys.modules[module]


@asynccontextmanager
async def running(settings: Settings, *quarantined: str) -> AsyncIterator[Database]:
    """Run the service with these effects, whose leases expired twice."""
    async with stored(settings, *quarantined) as runtime:
        runtime.parts.slots.closed = False
        async with runtime.running():
            yield runtime.parts.database


@asynccontextmanager
async def stored(settings: Settings, *quarantined: str) -> AsyncIterator[Runtime]:
    """The service with these effects stored and not started."""
    module = importlib.import_module("grim.main")
    runtime: Runtime = module.app(settings).state.composition.runtime
    runtime.parts.slots.closed = True  # stored as due, started by nobody yet
    await runtime.parts.database.commit(*(module.Do(what=what) for what in quarantined))
    await runtime.parts.database.fetch(QUARANTINE, QUARANTINE_AFTER)
    yield runtime


async def leased(settings: Settings, *quarantined: str) -> Sequence[Deferred]:
    """Return these effects, leased to run in a child."""
    async with (
        stored(settings, *quarantined) as runtime,
        runtime.parts.database.postgres.connection() as connection,
    ):
        leases = Leases(runtime.parts.database.postgres, "their parent")
        return await leases.acquire_quarantined(connection, ["grim-do"], QUARANTINE_AFTER)


async def eventually(database: Database, sql: str, wanted: list[tuple[object, ...]]) -> None:
    found: list[tuple[object, ...]] = []
    deadline = asyncio.get_running_loop().time() + 60
    while found != wanted and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.05)
        found = [tuple(row) for row in await database.fetch(sql)]
    assert found == wanted


async def test_a_quarantined_message_that_does_no_harm_is_done_by_a_child(grim: Settings) -> None:
    async with running(grim, "good") as database:
        await eventually(database, "select split_part(what, ' ', 1) from deeds", [("good",)])
        deed = (await database.fetch("select what from deeds"))[0][0]
        assert deed != f"good {os.getpid()}"
        assert not await database.fetch("select from tallystick.deferred")


@pytest.mark.parametrize("poison", ["exit 9", "exit 0"])
async def test_a_message_that_kills_its_process_twice_is_poison_and_no_other_is(
    grim: Settings, poison: str
) -> None:
    async with running(grim, poison, "good") as database:
        dead = "select id, state, reason from tallystick.deferred"
        await eventually(database, dead, [(poison, "dead", "poison")])
        await eventually(database, "select count(*) from deeds", [(1,)])
        outcomes = "select outcome from tallystick.attempts where id like 'exit%' order by lease"
        await eventually(
            database, outcomes, [("lease expired",), ("died",), ("died",), ("poison",)]
        )


async def test_a_service_that_reads_its_own_settings_quarantines_its_poison_too(
    grim: Settings, tmp_path: Path
) -> None:
    source = (tmp_path / "grim" / "main.py").read_text().partition("def app(settings)")[0]
    (tmp_path / "grim" / "main.py").write_text(source + dedent(READS_ITS_SETTINGS))
    module = importlib.import_module("grim.main")
    runtime: Runtime = module.app().state.composition.runtime
    runtime.parts.slots.closed = True  # stored as due, started by nobody yet
    database = runtime.parts.database
    await database.commit(module.Do(what="exit 9"))
    await database.fetch(QUARANTINE, QUARANTINE_AFTER)
    runtime.parts.slots.closed = False
    async with runtime.running():
        dead = "select id, state, reason from tallystick.deferred"
        await eventually(database, dead, [("exit 9", "dead", "poison")])


async def test_an_attempt_that_never_ends_is_killed_at_its_deadline(grim: Settings) -> None:
    async with running(grim, "loop") as database:
        died = "select outcome, error from tallystick.attempts where outcome = 'died' limit 1"
        await eventually(database, died, [("died", "its process was past its deadline")])


@pytest.mark.parametrize(
    ("poison", "code"), [("loop", EXIT_CODE), ("no thread runs", -signal.SIGALRM)]
)
async def test_no_attempt_of_a_child_outlives_its_parent(
    grim: Settings, tmp_path: Path, poison: str, code: int
) -> None:
    quarantined = await leased(grim, poison)
    child = await _Child.start("grim", grim)
    child._send((quarantined, 2.0))
    async with asyncio.timeout(30):
        while not (tmp_path / "grim" / "begun").exists():
            await asyncio.sleep(0.05)
        child._orders.close()  # as the system closes it when the parent is killed
        assert await child._signs.read() == BEGUN + DIED + CODE.pack(
            code
        )  # nothing else keeps the pipe open
        assert await child._process.wait() == 0


async def test_a_child_imports_once_and_forks_after_each_death(grim: Settings) -> None:
    isolation = Isolation("grim", grim)
    quarantined = await leased(grim, "exit 9")
    pids = []
    for _ in range(3):
        assert await isolation.run(quarantined, 30) == 9
        assert isolation._child
        pids.append(isolation._child.pid)
    assert len(set(pids)) == 1
    await isolation.close()


async def test_a_child_can_be_started_on_the_event_loop_of_services(grim: Settings) -> None:
    quarantined = await leased(grim, "exit 9")

    async def died() -> int | None:
        isolation = Isolation("grim", grim)
        try:
            return await isolation.run(quarantined, 30)
        finally:
            await isolation.close()

    assert await asyncio.to_thread(uvloop.run, died()) == 9


async def test_a_death_between_two_batches_is_blamed_on_no_message(grim: Settings) -> None:
    isolation = Isolation("grim", grim)
    assert await isolation.run(await leased(grim, "good"), 30) is None
    assert isolation._child
    (fork,) = psutil.Process(isolation._child.pid).children()
    fork.kill()
    good, exit_9 = await leased(grim, "better"), await leased(grim, "exit 9")
    with pytest.raises(NotTried, match="was killed by signal 9"):
        await isolation.run(good, 30)
    assert await isolation.run(exit_9, 30) == 9  # its own sign, not one left by the first
    await isolation.close()


async def test_a_child_that_died_is_replaced(grim: Settings) -> None:
    isolation = Isolation("grim", grim)
    assert await isolation.run(await leased(grim, "good"), 30) is None
    assert isolation._child
    pid = isolation._child.pid
    os.killpg(pid, signal.SIGKILL)
    async with asyncio.timeout(30):
        while isolation._child.is_alive:
            await asyncio.sleep(0.01)
    assert await isolation.run(await leased(grim, "better"), 30) is None
    assert isolation._child.pid != pid
    await isolation.close()


async def test_a_service_with_threads_of_its_own_is_not_forked(
    grim: Settings, tmp_path: Path
) -> None:
    (tmp_path / "grim" / "main.py").write_text(dedent(SERVICE + THREAD))
    isolation = Isolation("grim", grim)
    assert await isolation.run(await leased(grim, "exit 9"), 30) == 9
    assert isolation._child
    assert not isolation._child.is_alive


async def test_an_idle_child_ends_after_a_while(
    grim: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    isolation = Isolation("grim", grim)
    assert await isolation.run(await leased(grim, "good"), 30) is None
    await isolation.rest()
    child = isolation._child
    assert child
    assert child.is_alive
    monkeypatch.setattr("tallystick._deferred.isolation.KEPT", 0.0)
    await isolation.rest()
    assert not child.is_alive


async def test_a_child_ends_when_its_parent_was_killed_while_writing(grim: Settings) -> None:
    child = await _Child.start("grim", grim)
    child._orders.write(pickle.dumps("an order")[:-2])
    child._orders.close()
    async with asyncio.timeout(30):
        assert await child._process.wait() == 0


async def test_a_child_without_its_database_ends_with_code_0(grim: Settings) -> None:
    quarantined = await leased(grim, "good")
    child = await _Child.start("grim", grim.model_copy(update={"database_url": NOWHERE}))
    with pytest.raises(NotTried, match="the database is away"):
        await child.attempt(quarantined, 30)
    assert await child.end() == 0


@pytest.mark.parametrize("signs", ["d", "bd"])
async def test_a_child_that_dies_with_half_a_sign_has_its_own_exit_code(signs: str) -> None:
    code = f"import sys; sys.stdout.write('{signs}'); sys.exit(3)"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    child = _Child(process, process.stdin, process.stdout)
    if signs == "bd":
        assert await child.attempt([], 30) == 3
    else:
        with pytest.raises(NotTried, match="the process ended with 3 as it started"):
            await child.attempt([], 30)


async def test_messages_that_were_not_tried_are_due_again_without_a_blame(
    grim: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick._deferred.isolation.REST", 0.01)
    async with stored(grim, "good") as runtime:
        main = tmp_path / "grim" / "main.py"
        source = main.read_text()
        main.write_text("raise SystemExit(7)")  # imported here already, not by a child
        runtime.parts.slots.closed = False
        with capture_logs() as lines:
            await runtime.parts.quarantine.round()
            await runtime.parts.deferred.sweep()
            row = (
                "select replica, expired_leases, crashes, due_at <= now() from tallystick.deferred"
            )
            found = [tuple(each) for each in await runtime.parts.database.fetch(row)]
            main.write_text(source)
            await runtime.parts.quarantine.round()
            await runtime.parts.quarantine.close()
    assert found == [(None, QUARANTINE_AFTER, 0, True)]
    events = [line["event"] for line in lines]
    assert events.count("quarantine run failed") == 1
    assert "leases interrupted" not in events
    async with stored(grim) as runtime:
        assert not await runtime.parts.database.fetch("select from tallystick.deferred")


async def test_many_messages_that_do_no_harm_share_a_few_processes(grim: Settings) -> None:
    names = [f"good-{number}" for number in range(20)]
    async with running(grim, *names, "exit 9") as database:
        done = "select count(*) from tallystick.effects where ended_at is not null"
        await eventually(database, done, [(len(names),)])
        await eventually(
            database, "select id from tallystick.deferred where state = 'dead'", [("exit 9",)]
        )
        processes = "select count(distinct split_part(what, ' ', 2)) <= 5 from deeds"
        await eventually(database, processes, [(True,)])


async def test_a_quarantined_message_takes_no_slot(grim: Settings) -> None:
    """As many as there are slots are quarantined and never end; another message is done."""
    names = [f"loop-{number}" for number in range(SLOTS)]
    async with running(grim, *names) as database:
        await database.commit(importlib.import_module("grim.main").Do(what="good"))
        await eventually(database, "select split_part(what, ' ', 1) from deeds", [("good",)])
        waiting = await database.fetch("select from tallystick.deferred where state <> 'dead'")
        assert len(waiting) == SLOTS
