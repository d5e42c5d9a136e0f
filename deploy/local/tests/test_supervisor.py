import asyncio
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tallystick.testing import eventually
from tallystick_local.errors import StartError
from tallystick_local.identity import identify
from tallystick_local.spec import ProcessSpec, Stage
from tallystick_local.supervisor import Supervisor

MakeSpec = Callable[..., ProcessSpec]
Supervised = Callable[..., AbstractAsyncContextManager[tuple[Supervisor, list[str]]]]


def is_gone(pid: int | None) -> bool:
    return pid is not None and identify(pid) is None


async def test_a_killed_process_is_started_again(
    make_spec: MakeSpec, supervised: Supervised
) -> None:
    async with supervised(make_spec()) as (supervisor, reports):
        await supervisor.start(Stage.SERVICES)
        first = supervisor["one"].pid
        supervisor["one"].send(signal.SIGKILL)
        await eventually(lambda: supervisor["one"].pid not in {first, None})
        assert reports == ["one: killed by SIGKILL; restarted"]


async def test_a_process_whose_livez_is_silent_is_killed_and_started_again(
    make_spec: MakeSpec, supervised: Supervised
) -> None:
    async with supervised(make_spec()) as (supervisor, reports):
        await supervisor.start(Stage.SERVICES)
        first = supervisor["one"].pid
        supervisor["one"].send(signal.SIGSTOP)
        await eventually(lambda: supervisor["one"].pid not in {first, None})
        assert is_gone(first)
        assert reports == ["one: silent for 0.3 s; restarted"]


async def test_stopping_leaves_no_process(make_spec: MakeSpec, supervised: Supervised) -> None:
    async with supervised(make_spec(), make_spec("two")) as (supervisor, _):
        await supervisor.start(Stage.SERVICES)
        pids = list(supervisor.pids().values())
        assert len(pids) == 2
        await supervisor.stop()
        assert all(is_gone(pid) for pid in pids)


async def test_a_paused_process_can_be_stopped(make_spec: MakeSpec, supervised: Supervised) -> None:
    async with supervised(make_spec()) as (supervisor, reports):
        await supervisor.start(Stage.SERVICES)
        pid = supervisor["one"].pid
        supervisor["one"].send(signal.SIGSTOP)
        await supervisor.stop()
        assert is_gone(pid)
        assert reports == []


async def test_services_end_before_the_servers_they_need(
    make_spec: MakeSpec, supervised: Supervised, tmp_path: Path
) -> None:
    note = """
import atexit, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
atexit.register(lambda: open({file!r}, "a").write({name!r} + " "))
"""
    file = str(tmp_path / "order")
    server = make_spec("server", note.format(file=file, name="server"), Stage.SERVERS)
    service = make_spec("service", note.format(file=file, name="service"))
    async with supervised(server, service) as (supervisor, _):
        await supervisor.start(Stage.SERVERS)
        await supervisor.start(Stage.SERVICES)
    assert (tmp_path / "order").read_text() == "service server "


async def test_a_process_that_never_starts_is_given_up_with_the_end_of_its_log(
    make_spec: MakeSpec, supervised: Supervised
) -> None:
    hopeless = make_spec(before="raise SystemExit('no setting')")
    async with supervised(hopeless) as (supervisor, _):
        with pytest.raises(StartError, match=r"(?s)one did not start: ended with 1.*no setting"):
            await supervisor.start(Stage.SERVICES)


async def test_a_program_that_does_not_exist_is_given_up(
    make_spec: MakeSpec, supervised: Supervised
) -> None:
    missing = make_spec(command=("/no/such/program",))
    async with supervised(missing) as (supervisor, _):
        with pytest.raises(StartError, match="No such file"):
            await supervisor.start(Stage.SERVICES)


async def test_a_held_process_starts_again_when_released(
    make_spec: MakeSpec, supervised: Supervised
) -> None:
    async with supervised(make_spec()) as (supervisor, reports):
        await supervisor.start(Stage.SERVICES)
        first = supervisor["one"].pid
        supervisor["one"].hold()
        await eventually(lambda: reports == ["one: killed by SIGTERM; held"])
        assert supervisor["one"].pid is None
        supervisor["one"].release()
        await eventually(lambda: supervisor["one"].pid is not None)
        assert supervisor["one"].pid != first


async def test_killing_ends_everything_at_once(make_spec: MakeSpec, supervised: Supervised) -> None:
    deaf = "import signal; signal.signal(15, signal.SIG_IGN)\n"
    async with supervised(make_spec(before=deaf)) as (supervisor, _):
        await supervisor.start(Stage.SERVICES)
        pid = supervisor["one"].pid
        supervisor.kill()
        async with asyncio.timeout(2):
            await supervisor.stop()
        assert is_gone(pid)


async def test_all_replicas_of_a_stopped_service_are_held(
    make_spec: MakeSpec, supervised: Supervised
) -> None:
    async with supervised(make_spec("one"), make_spec("one-2"), make_spec("two")) as (them, _):
        await them.start(Stage.SERVICES)
        them.hold({"one"})
        await eventually(lambda: set(them.pids()) == {"two"})
        them.hold(set())
        await eventually(lambda: set(them.pids()) == {"one", "one-2", "two"})
