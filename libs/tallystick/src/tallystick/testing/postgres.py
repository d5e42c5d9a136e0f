"""A real PostgreSQL 18 on TCP at 127.0.0.1."""

import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import asyncpg

from . import databases
from .child import Child, NotReadyError
from .cluster import SUPERUSER, account, prepare, programs
from .folders import temporary
from .ports import HOST, free_port

LEFTOVERS = "pre-existing shared memory block"


def command(data: Path, port: int, *, fsync: bool = True) -> list[str]:
    """Return the command line that serves a prepared cluster."""
    settings = {
        "listen_addresses": HOST,
        "port": str(port),
        "unix_socket_directories": "",
        "max_connections": "200",
        "shared_buffers": "128MB",
        "fsync": "on" if fsync else "off",
        "log_min_messages": "warning",
    }
    chosen = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [str(programs() / "postgres"), "-D", str(data), *chosen]


def is_ready(data: Path, pid: int) -> bool:
    """Whether the pid file says that the server with this process id accepts connections."""
    try:
        lines = (data / "postmaster.pid").read_text().split("\n")
    except OSError:
        return False
    return lines[0] == str(pid) and len(lines) > 7 and lines[7].strip() == "ready"


class PostgresServer:
    """A server that can be stopped, killed and started again on its port and its data."""

    def __init__(self, data: Path, port: int, password: str, *, fsync: bool = True) -> None:
        self.data = data
        self.port = port
        self.fsync = fsync
        self.url = f"postgresql://{SUPERUSER}:{password}@{HOST}:{port}/postgres"
        prepare(data, password)
        self.start()

    def start(self, within: float = 15) -> None:
        """Start the server and wait until it accepts connections; raises NotReadyError."""
        deadline = time.monotonic() + within
        while True:
            try:
                return self._start(within)
            except NotReadyError as error:
                # After a kill the children of the old server need a moment to notice and end.
                if LEFTOVERS not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _start(self, within: float) -> None:
        self._child = Child(
            command(self.data, self.port, fsync=self.fsync),
            self.data.with_name(self.data.name + ".log"),
            death_signal=signal.SIGQUIT,
            account=account(),
        )
        self.process = self._child.process
        self._child.wait_until(lambda: is_ready(self.data, self.process.pid), within)

    def stop(self) -> None:
        """End the server with SIGINT (connections are broken off); it keeps its data."""
        self._child.stop(signal.SIGINT)

    def kill(self) -> None:
        """End the server with SIGKILL; it keeps its data."""
        self._child.kill()

    async def create_database(self, name: str, *, template: str | None = None) -> str:
        """Create a database, empty or as a copy of ``template``, and return its URL."""
        return await databases.create(self.url, name, template=template)

    async def database(self, name: str) -> str:
        """Return the URL of a database, created if it is not there yet."""
        try:
            return await self.create_database(name)
        except asyncpg.DuplicateDatabaseError:
            return databases.url_of(self.url, name)


@contextmanager
def postgres_server(
    data: Path | None = None,
    port: int | None = None,
    *,
    password: str | None = None,
    fsync: bool = True,
) -> Iterator[PostgresServer]:
    """Run a server on ``data`` or a temporary folder, on ``port`` or a free one.

    ``password`` is the superuser's, needed for data that exists. ``fsync=False`` is quicker and
    loses commits in a power cut (not when a process is killed).
    """
    with nullcontext() if data else temporary("tally-postgres-") as folder:
        server = PostgresServer(
            data or Path(str(folder)) / "data",
            port or free_port(),
            password or secrets.token_hex(16),
            fsync=fsync,
        )
        try:
            yield server
        finally:
            server.stop()
