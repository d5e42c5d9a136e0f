import asyncio
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import pytest
import structlog
from typer.testing import CliRunner, Result

from tallystick._cli import app  # inside: the command runs in this process
from tallystick._database.scripts import scripts_of  # inside: which migrations there are
from tallystick.testing import PostgresServer, free_port

MAIN = """
from fastapi import APIRouter
from pydantic_settings import SettingsConfigDict
import tallystick

class Settings(tallystick.Settings):
    model_config = SettingsConfigDict(env_prefix="PARCELS_")

api = APIRouter()

@api.get("/hello")
async def hello() -> str:
    return "hello"

def app():
    return tallystick.service(Settings(), tallystick.Router("parcels"), api)
"""
ROUTER = 'router = tallystick.Router("parcels")\n'


@pytest.fixture(autouse=True)
def _logging_restored() -> Iterator[None]:
    """The commands run in this process, and log to an output that ends with them."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A service called parcels in the current folder, and what it reads."""
    (tmp_path / "parcels").mkdir()
    (tmp_path / "parcels" / "__init__.py").touch()
    (tmp_path / "parcels" / "main.py").write_text(MAIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "parcels", raising=False)
    monkeypatch.delitem(sys.modules, "parcels.main", raising=False)
    scripts_of.cache_clear()
    port, admin_port = free_ports()
    return {
        "PARCELS_DATABASE_URL": "postgresql://db",
        "PARCELS_PORT": str(port),
        "PARCELS_ADMIN_PORT": str(admin_port),
    }


def free_ports() -> tuple[int, int]:
    """Two ports on which nothing listens; by chance both may be the same, and are tried again."""
    first = second = free_port()
    while second == first:
        second = free_port()
    return first, second


def tally(*arguments: str, env: Mapping[str, str] | None = None) -> Result:
    return CliRunner().invoke(app, arguments, env=dict(env or {}))


def test_the_version_is_shown() -> None:
    assert re.fullmatch(r"tally \d+\.\d+\.\d+\n", tally("--version").output)


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_each_command_has_an_example_on_lines_of_its_own(command: str) -> None:
    lines = [line.strip() for line in tally(command, "--help").output.splitlines()]
    example = lines[lines.index("Example:") + 1 :]
    assert example[0].startswith("export ORDERS_DATABASE_URL=postgresql://")
    assert example[1].startswith(f"tally {command} orders")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere", 'there is no service "nowhere": no module nowhere.main can be imported'),
        ("json", 'there is no service "json": no module json.main can be imported'),
    ],
)
def test_a_service_that_is_not_there_is_a_line_and_2(name: str, reason: str) -> None:
    result = tally("migrate", name)
    assert result.exit_code == 2
    assert result.stderr == f"tally: {reason}\n"


@pytest.mark.usefixtures("environment")
def test_a_missing_setting_is_a_line_and_2() -> None:
    result = tally("serve", "parcels")
    assert result.exit_code == 2
    assert result.stderr == "tally: parcels: PARCELS_DATABASE_URL is missing\n"


def test_a_wrong_password_is_a_line_and_1(
    environment: dict[str, str], postgres: PostgresServer
) -> None:
    password = postgres.url.split(":")[2].split("@")[0]
    url = postgres.url.replace(password, "wrong")
    result = tally("migrate", "parcels", env=environment | {"PARCELS_DATABASE_URL": url})
    assert result.exit_code == 1
    assert "password authentication failed" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_topology_is_shown_and_compared(environment: dict[str, str], nats_url: str) -> None:
    environment["PARCELS_NATS_URL"] = nats_url
    shown = tally("topology", "parcels", "--json", env=environment)
    assert [s["name"] for s in json.loads(shown.stdout)[0]["streams"]] == ["PARCELS", "DLQ_PARCELS"]
    checked = tally("topology", "parcels", "--check", env=environment)
    assert checked.exit_code == 1
    assert "stream PARCELS is missing" in checked.stdout


@pytest.mark.usefixtures("environment")
def test_a_document_needs_no_settings_where_main_has_the_router(tmp_path: Path) -> None:
    (tmp_path / "parcels" / "main.py").write_text("import tallystick\n" + ROUTER + MAIN)
    shown = tally("topology", "parcels", "--document")
    assert shown.exit_code == 0, shown.output
    document = json.loads(shown.stdout)
    assert document["service"] == "parcels"
    assert document["permissions"]["publish"] == [
        "evt.parcels.>",
        "dlq.parcels.>",
        "_INBOX.*.>",
        "$JS.API.STREAM.INFO.PARCELS",
        "$JS.API.STREAM.MSG.GET.DLQ_PARCELS",
    ]


@pytest.mark.usefixtures("environment")
def test_documents_are_written_with_that_of_who_reconciles(tmp_path: Path) -> None:
    (tmp_path / "parcels" / "main.py").write_text("import tallystick\n" + ROUTER + MAIN)
    folder = tmp_path / "made" / "of"
    assert tally("topology", "parcels", "--write", str(folder)).exit_code == 0
    assert {file.name for file in folder.iterdir()} == {"parcels.json", "operator.json"}
    shown = tally("topology", "parcels", "--document")
    assert (folder / "parcels.json").read_text() == shown.stdout


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--document",), "name a service"),
        (("parcels", "--write", "parcels/main.py"), "cannot write into parcels/main.py"),
    ],
)
def test_what_cannot_be_documented_is_a_line_and_2(
    tmp_path: Path, words: tuple[str, ...], reason: str
) -> None:
    (tmp_path / "parcels" / "main.py").write_text("import tallystick\n" + ROUTER + MAIN)
    result = tally("topology", *words)
    assert result.exit_code == 2
    assert reason in result.stderr


def test_a_broker_that_is_away_is_a_line_and_1(environment: dict[str, str]) -> None:
    environment["PARCELS_NATS_URL"] = f"nats://127.0.0.1:{free_port()}"
    result = tally("topology", "parcels", "--check", env=environment)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith("tally: cannot reach the broker at")


@asynccontextmanager
async def started(environment: Mapping[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from tallystick._cli import main; main()", "serve", "parcels"),
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def logged(process: asyncio.subprocess.Process, event: str) -> None:
    assert process.stderr is not None
    async with asyncio.timeout(20):
        while line := await process.stderr.readline():
            if json.loads(line)["event"] == event:
                return
    pytest.fail(f"it never logged {event}")


async def ended(process: asyncio.subprocess.Process) -> int:
    async with asyncio.timeout(10):
        await process.communicate()
    assert process.returncode is not None
    return process.returncode


async def test_a_service_serves_until_it_is_told_to_stop(
    environment: dict[str, str], postgres: PostgresServer, database_url: str
) -> None:
    environment["PARCELS_DATABASE_URL"] = database_url
    async with started(environment) as process, aiohttp.ClientSession() as session:
        await logged(process, "service started")
        address = f"http://127.0.0.1:{environment['PARCELS_PORT']}"
        admin = f"http://127.0.0.1:{environment['PARCELS_ADMIN_PORT']}"
        async with session.get(f"{address}/hello") as answer:
            assert await answer.json() == "hello"
        for probe in ("/livez", "/readyz"):
            async with session.get(admin + probe) as answer:
                assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0


WAITS = {
    "no server": "database unavailable",
    "no database": "database unavailable",
    "no user": "database unavailable",
    "no migration": "migration awaited",
}


@pytest.mark.parametrize(
    ("state", "number"),
    [(state, signal.SIGINT) for state in WAITS] + [("no server", signal.SIGTERM)],
)
async def test_a_service_that_waits_to_start_says_so_plainly_and_can_be_stopped(
    environment: dict[str, str], postgres: PostgresServer, state: str, number: signal.Signals
) -> None:
    server = urlsplit(postgres.url)
    environment["PARCELS_DATABASE_URL"] = {
        "no server": f"postgresql://127.0.0.1:{free_port()}/none",
        "no database": server._replace(path="/not-yet").geturl(),
        "no user": server._replace(netloc=f"not-yet:x@{server.hostname}:{server.port}").geturl(),
        "no migration": await postgres.create_database(f"fresh-{uuid4()}"),
    }[state]
    ready = f"http://127.0.0.1:{environment['PARCELS_ADMIN_PORT']}/readyz"
    async with started(environment) as process, aiohttp.ClientSession() as session:
        await logged(process, WAITS[state])
        async with session.get(ready) as answer:
            assert (answer.status, (await answer.json())["migrated"]) == (503, False)
        process.send_signal(number)
        _, rest = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 0
    lines = [json.loads(line) for line in rest.splitlines()]
    assert [(line["level"], line["event"]) for line in lines] == [("info", "start abandoned")]


async def test_a_service_that_cannot_start_says_why_once(
    environment: dict[str, str], tmp_path: Path
) -> None:
    broken = MAIN.replace('Router("parcels"), api)', 'Router("parcels"), api, Broken())')
    fails = (
        "class Broken:\n    async def __aenter__(self):\n        raise RuntimeError('no luck')\n"
    )
    fails += "    async def __aexit__(self, *error):\n        pass\n\n"
    (tmp_path / "parcels" / "main.py").write_text(broken.replace("def app()", f"{fails}def app()"))
    async with started(environment) as process:
        _, log = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 3
    assert log.decode().count("RuntimeError: no luck") == 1
    assert b"never retrieved" not in log


@pytest.mark.parametrize("setting", ["PARCELS_PORT", "PARCELS_ADMIN_PORT"])
def test_a_taken_port_is_a_line_and_1(environment: dict[str, str], setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        environment[setting] = str(other.getsockname()[1])
        result = tally("serve", "parcels", env=environment)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith(f"tally: {setting}: cannot listen on")
    assert "Address already in use" in result.stderr


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_package_and_its_router_have_one_name(tmp_path: Path, command: str) -> None:
    other = MAIN.replace("PARCELS_", "").replace('Router("parcels")', 'Router("post")')
    (tmp_path / "parcels" / "main.py").write_text(other)
    done = tally(command, "parcels", env={"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"})
    assert done.exit_code == 2
    assert 'parcels.main makes "post": the package, the router and the prefix' in done.stderr


MISSING = "parcels: PARCELS_NATS_URL is missing: set it for dev.tallystick.parcels.sent.v1"
LACKS_A_BROKER = (
    'tallystick.Router("parcels")',
    """tallystick.Router("parcels", history=[Sent])""",
)
SENT = """
class Sent(tallystick.Event, name="parcels.sent", key="id"):
    id: int
"""
RESOURCE = """
from contextlib import asynccontextmanager
from tallystick.errors import InvalidSettings
class Scale:
    async def __aenter__(self):
        raise InvalidSettings("PARCELS_SCALE is missing")
    async def __aexit__(self, *_):
        pass
"""


@pytest.mark.parametrize(
    ("main", "says"),
    [
        (MAIN.replace("\napi =", SENT + "\napi =").replace(*LACKS_A_BROKER), MISSING),
        (RESOURCE + MAIN.replace(", api)", ", api, Scale())"), "PARCELS_SCALE is missing"),
    ],
)
def test_a_setting_that_is_found_missing_as_it_starts_is_a_line_and_2(
    environment: dict[str, str], tmp_path: Path, main: str, says: str
) -> None:
    (tmp_path / "parcels" / "main.py").write_text(main)
    command = (sys.executable, "-c", "from tallystick._cli import main; main()", "serve", "parcels")
    ended = subprocess.run(
        command,
        check=False,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "Traceback" not in ended.stderr
    assert [line for line in ended.stderr.splitlines() if not line.startswith("{")] == [
        f"tally: {says}"
    ]
