"""The example service is what the README says, and runs as the README says."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from tallystick.testing import NatsServer, PostgresServer, free_port, holds

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "cafe"
_FILE = re.compile(r"^`(\S+\.py)`.*?^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def section() -> str:
    readme = (ROOT / "README.md").read_text()
    return readme.partition("## Your own service in 40 lines\n")[2].partition("\n## ")[0]


def shown() -> dict[str, str]:
    """The files of the README's section by their paths."""
    return dict(_FILE.findall(section()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds what the README's section says, and nothing else."""
    for path, text in shown().items():
        file = tmp_path / "own" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "own"


def test_the_readme_shows_the_example_as_it_is() -> None:
    files = {str(f.relative_to(EXAMPLE)): f.read_text() for f in EXAMPLE.rglob("*.py")}
    assert shown() == files


def test_the_service_has_about_40_lines() -> None:
    lines = shown()["cafe/main.py"].splitlines()
    assert len([line for line in lines if line]) <= 42


def test_one_command_serves_it(folder: Path) -> None:
    assert "\n    tally dev cafe\n" in section()
    tally = Path(sys.executable).with_name("tally")
    with developed(tally, folder) as url:
        serves_coffee(url)


@pytest.mark.wheels
@pytest.mark.timeout(900)
def test_it_needs_nothing_but_the_wheels(folder: Path, tmp_path: Path) -> None:
    wheels, python = tmp_path / "wheels", tmp_path / "venv" / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    run(uv, "build", "--quiet", "--all-packages", "--wheel", "--out-dir", wheels, cwd=ROOT)
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    assert "`pip install 'tallystick[cli,testing]'`" in section()
    run(
        python, "-m", "pip", "install", "--quiet", "--find-links", wheels, "tallystick[cli,testing]"
    )
    run(python, "-m", "pytest", "-q", cwd=folder)
    with developed(python.with_name("tally"), folder) as url:
        serves_coffee(url)


def test_a_coffee_that_was_ordered_is_served_though_everything_was_killed(folder: Path) -> None:
    tally = Path(sys.executable).with_name("tally")
    with developed(tally, folder, ends_by=signal.SIGKILL) as url:
        ordered = asked(f"{url}/coffees", b'{"drink": "espresso"}')
    assert holds(lambda: not runs_below(folder), within=20), "a server outlives it"
    with developed(tally, folder) as url:
        served(f"{url}/coffees/{ordered['id']}")


def test_the_command_finds_it_from_its_folder(folder: Path) -> None:
    tally = Path(sys.executable).with_name("tally")
    with developed(tally, folder):
        for command in ("dlq list", "durable list", "tail", "topology --check"):
            run(tally, *command.split(), cwd=folder)
        again = subprocess.run([tally, "dev", "cafe"], cwd=folder, capture_output=True, check=False)
        assert (again.returncode, again.stderr) == (
            1,
            b"tally: tally dev cafe runs already in this folder\n",
        )
    assert not (folder / ".state" / "tally.env").exists()


def test_a_handler_that_blocks_is_told_of_with_its_place_and_goes_on(folder: Path) -> None:
    main = folder / "cafe" / "main.py"
    text = main.read_text().replace(
        "await delivery", "import time; time.sleep(2)\n    await delivery"
    )
    main.write_text(text)
    line = 1 + next(n for n, line in enumerate(text.splitlines()) if "time.sleep" in line)
    with developed(Path(sys.executable).with_name("tally"), folder) as url:
        serves_coffee(url)
        place = f"cafe/main.py:{line}"
        log = folder / "log"
        assert holds(lambda: "event loop was blocked" in log.read_text(), within=10)
        assert place in log.read_text()


async def test_in_production_three_commands_run_the_same_files(
    folder: Path, postgres: PostgresServer, nats: NatsServer
) -> None:
    await nats.clean()
    url = await postgres.create_database("cafe-in-production")
    env = {"CAFE_DATABASE_URL": url, "CAFE_NATS_URL": nats.url}
    tally = Path(sys.executable).with_name("tally")

    def run_it() -> None:
        for command in ("migrate cafe", "topology cafe --apply", "topology cafe --check"):
            assert "--check" in command or f"    tally {command}" in section()
            run(tally, *command.split(), cwd=folder, **env)
        assert "\n    tally serve cafe\n" in section()
        with developed(tally, folder, "serve", settings=env) as url:
            serves_coffee(url)

    await asyncio.to_thread(run_it)


def runs_below(folder: Path) -> bool:
    """Whether a process was told something below a folder."""
    lines = (file for file in Path("/proc").glob("[0-9]*/cmdline"))
    return any(str(folder).encode() in said(line) for line in lines)


def said(line: Path) -> bytes:
    try:
        return line.read_bytes()
    except OSError:  # it has ended
        return b""


def run(*command: object, cwd: Path | None = None, **env: str) -> None:
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment(**env), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


def environment(**more: str) -> dict[str, str]:
    """This process's environment, without what leads to our own sources."""
    ours = ("PYTHON", "VIRTUAL", "TALLY_")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours)} | more


@contextmanager
def developed(
    tally: Path,
    folder: Path,
    command: str = "dev",
    *,
    ends_by: signal.Signals = signal.SIGINT,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[str]:
    """Runs the README's command in a folder until Ctrl-C, and must end well then; or kills it."""
    port = free_port()
    ports = {"CAFE_PORT": str(port), "CAFE_ADMIN_PORT": str(free_port())}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(tally), command, "cafe"],
            cwd=folder,
            env=environment(**ports, **settings),
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        assert holds(lambda: answers(url), within=60), (folder / "log").read_text()
        yield url
        process.send_signal(ends_by)
        ends = 0 if ends_by == signal.SIGINT else -ends_by
        assert process.wait(30) == ends, (folder / "log").read_text()
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/openapi.json", timeout=5).close()
    except (OSError, HTTPException):
        return False
    return True


def serves_coffee(url: str) -> None:
    """Orders one and waits until it is served."""
    ordered = asked(f"{url}/coffees", b'{"drink": "espresso"}')
    served(f"{url}/coffees/{ordered['id']}")


def served(url: str) -> None:
    """Waits until a coffee is served."""
    deadline = time.monotonic() + 20
    while (coffee := asked(url))["served"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert coffee["drink"] == "espresso"


def asked(url: str, body: bytes | None = None) -> Any:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)
