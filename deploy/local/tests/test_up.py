"""The command itself, with its servers and without any service."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tallystick.testing import NatsServer, holds
from tallystick_local import state
from tallystick_local.identity import Identity
from tallystick_local.services import SERVICES

NO_SERVICE = {f"REPLICAS_{name.upper()}": "0" for name in SERVICES}


def command(*words: str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tallystick_local", *words, "--state", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **NO_SERVICE, **environment},
    )


def output(*words: str, folder: Path, **environment: str) -> tuple[int, str]:
    process = command(*words, folder=folder, **environment)
    text, _ = process.communicate(timeout=60)
    return process.returncode, text


@contextmanager
def up(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = command("up", "--free-ports", folder=folder)
    assert process.stdout is not None
    try:
        text = ""
        while "logs " not in text:
            line = process.stdout.readline()
            assert line, text
            text += line
        yield process
    finally:
        process.kill()
        process.communicate()


def children(folder: Path) -> dict[str, Identity]:
    record = state.read(folder)
    return record.processes if record else {}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("running")
    with up(folder):
        yield folder


def test_a_second_up_says_that_one_runs_and_where(running: Path) -> None:
    code, text = output("up", "--free-ports", folder=running)
    assert code == 1
    assert f"a platform already runs on {running}" in text
    assert re.search(r"nats://127\.0\.0\.1:\d+", text)


def test_status_shows_addresses_and_processes(running: Path) -> None:
    code, text = output("status", folder=running)
    assert code == 0
    assert re.search(r"postgres +pid \d+ +restarts \d", text)


def test_a_server_that_was_killed_is_started_again(running: Path) -> None:
    first = children(running)["nats"]
    os.kill(first.pid, signal.SIGKILL)
    assert holds(lambda: children(running).get("nats", first) != first)


def test_the_passwords_are_in_no_file_that_others_can_read(running: Path) -> None:
    for name in ("passwords.json", "platform.json"):
        assert (running / name).stat().st_mode & 0o077 == 0


def test_a_port_that_was_asked_for_and_is_busy_is_an_error(
    tmp_path: Path, nats: NatsServer
) -> None:
    port = str(nats.port)
    code, text = output("up", folder=tmp_path, NATS_PORT=port)
    assert code == 1
    assert f"in use by another program: port {port} (NATS_PORT)" in text


def test_down_ends_what_runs(running: Path) -> None:
    left = children(running).values()
    assert output("down", folder=running) == (0, "stopped\n")
    assert not any(who.lives() for who in left)
    assert not state.is_locked(running)


def test_what_was_killed_leaves_nothing_and_what_is_started_again_ends_by_ctrl_c(
    tmp_path: Path,
) -> None:
    with up(tmp_path) as process:
        left = children(tmp_path).values()
        assert len(left) == 2
        process.kill()
        process.wait()
        if sys.platform == "linux":
            assert holds(lambda: not any(who.lives() for who in left))
    with up(tmp_path) as process:
        left = children(tmp_path).values()
        assert len(left) == 2
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stdout is not None
        assert "stopping; Ctrl-C again kills at once" in process.stdout.read()
        assert not any(who.lives() for who in left)


def test_down_without_a_platform_says_so(tmp_path: Path) -> None:
    assert output("down", folder=tmp_path) == (0, "no platform runs here\n")


def test_load_without_a_platform_says_so(tmp_path: Path) -> None:
    code, text = output("load", folder=tmp_path)
    assert code == 1
    assert "no platform runs on" in text
