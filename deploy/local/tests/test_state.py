import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.testing import holds
from tallystick_local import stale, state
from tallystick_local.errors import AlreadyRunningError
from tallystick_local.identity import Identity, identify
from tallystick_local.secret import passwords


def record(**processes: Identity) -> state.Record:
    ours = state.ourselves()
    return state.Record(supervisor=ours, processes=processes, addresses={"nats": "nats://x"})


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def silent(_: str, __: str) -> None:
    pass


def test_a_process_is_not_the_one_that_had_its_id_before() -> None:
    ours = state.ourselves()
    assert ours.lives()
    assert not Identity(ours.pid, ours.began - 60).lives()


def test_one_platform_owns_a_folder(tmp_path: Path) -> None:
    with state.locked(tmp_path):
        assert state.is_locked(tmp_path)
        with pytest.raises(AlreadyRunningError), state.locked(tmp_path):
            pass
    assert not state.is_locked(tmp_path)


def test_a_killed_owner_owns_no_more(tmp_path: Path) -> None:
    program = (
        "import sys, time, pathlib\n"
        "from tallystick_local import state\n"
        "with state.locked(pathlib.Path(sys.argv[1])): print(flush=True); time.sleep(60)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    owner.stdout.readline()
    assert state.is_locked(tmp_path)
    owner.kill()
    owner.communicate()
    assert not state.is_locked(tmp_path)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = record(one=Identity(1, 2.0))
    state.write(tmp_path, written)
    assert state.read(tmp_path) == written
    assert (tmp_path / "platform.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("text", [None, b"", b"{", b"[1]"])
def test_a_record_that_cannot_be_read_is_none(tmp_path: Path, text: bytes | None) -> None:
    if text is not None:
        (tmp_path / "platform.json").write_bytes(text)
    assert state.read(tmp_path) is None


def test_what_a_killed_supervisor_left_is_ended(tmp_path: Path) -> None:
    left = sleeper()
    who = identify(left.pid)
    assert who
    state.write(tmp_path, record(left=who))
    stale.clear(tmp_path, silent)
    assert left.wait(5) == -signal.SIGTERM
    assert state.read(tmp_path) is None


def test_a_process_that_only_has_the_id_of_one_is_left_alone(tmp_path: Path) -> None:
    other = sleeper()
    state.write(tmp_path, record(one=Identity(other.pid, 1.0)))
    stale.clear(tmp_path, silent)
    assert other.poll() is None
    other.kill()
    other.wait()


def test_one_that_does_not_listen_is_killed() -> None:
    program = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True)\n"
    deaf = subprocess.Popen(
        [sys.executable, "-c", f"{program}time.sleep(60)"], stdout=subprocess.PIPE
    )
    assert deaf.stdout is not None
    deaf.stdout.readline()
    who = identify(deaf.pid)
    assert who
    stale.end({"deaf": who}, within=0.1)
    assert holds(lambda: deaf.poll() == -signal.SIGKILL)
    deaf.stdout.close()


def test_a_pid_file_whose_id_another_program_got_is_removed(tmp_path: Path) -> None:
    file = tmp_path / "postmaster.pid"
    file.write_text(f"{os.getpid()}\n/data\n")
    stale.forget_postmaster(file)
    assert not file.exists()


def test_passwords_that_a_release_before_did_not_know_are_added(tmp_path: Path) -> None:
    file = tmp_path / "passwords.json"
    file.write_text('{"postgres": "as it was"}')
    found = passwords(file)
    assert found["postgres"] == "as it was"
    assert len(found["webhook"]) == 32
    assert passwords(file) == found


def test_passwords_are_made_once_and_are_nobody_elses(tmp_path: Path) -> None:
    file = tmp_path / "passwords.json"
    assert passwords(file) == passwords(file)
    assert len(set(passwords(file).values())) == len(passwords(file))
    assert file.stat().st_mode & 0o077 == 0
