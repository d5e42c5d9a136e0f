"""Runs a service under development together with its servers, which end with it."""

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import nats
import typer
from fastapi import FastAPI

from tallystick._cli.programs.surroundings import discoverable, folder_of, password_of
from tallystick._database.migrate import migrate
from tallystick._requirements import require
from tallystick._service.blocked_loop import BlockedLoop
from tallystick._service.serve import serve
from tallystick._service.service import Composition
from tallystick._telemetry import logging
from tallystick.errors import TallystickError
from tallystick.testing import NotReadyError, nats_server, postgres_server
from tallystick.topology import declared, reconcile


class ServerEnded(TallystickError):
    """A server did not start; the message ends in its log."""


def develop(name: str, compose: Callable[[], FastAPI]) -> None:
    """Serve a service on a NATS and a PostgreSQL of its own, migrated and reconciled.

    Returns after SIGTERM or Ctrl-C; what was stored stays in the folder. Raises MissingExtra,
    NoFolder, RunsAlready, ServerEnded, PortTaken, MigrationFailed.
    """
    with folder_of(name) as folder, _servers(name, folder) as (broker, database):
        token = _set_up(name, broker, database)
        app = compose()
        made: Composition = app.state.composition
        settings = made.settings
        logging.configure(settings)
        migrate(name, database)
        asyncio.run(_reconcile(broker, made))
        admin = f"http://{_near(settings.host)}:{settings.admin_port}"
        with discoverable(made.router.name, admin, token, broker) as command:
            typer.echo(_welcome(made, broker, database, command, folder))
            serve(app, settings, BlockedLoop().watching())


def _set_up(name: str, broker: str, database: str) -> str:
    """Set the service's variables; returns its admin token, made up unless it is set."""
    prefix = name.upper().replace("-", "_")
    os.environ |= {f"{prefix}_NATS_URL": broker, f"{prefix}_DATABASE_URL": database}
    return os.environ.setdefault(f"{prefix}_ADMIN_TOKEN", secrets.token_urlsafe(24))


@contextmanager
def _servers(name: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Run both servers; yields the URL of the broker and that of the service's database.

    If this process is killed, the kernel ends them.
    """
    require("tally dev", "testing")
    signal.signal(
        signal.SIGTERM, lambda *_: sys.exit(0)
    )  # so that the servers are stopped in order
    with ExitStack() as servers:
        try:
            broker = servers.enter_context(nats_server(folder / "nats"))
            served = postgres_server(folder / "postgres", password=password_of(folder))
            database = asyncio.run(servers.enter_context(served).database(name))
        except (NotReadyError, OSError) as error:
            raise ServerEnded(str(error)) from error
        yield broker.url, database


async def _reconcile(broker: str, made: Composition) -> None:
    client = await nats.connect(broker)
    await reconcile(client, [declared(made.router, ack_wait_s=made.settings.ack_wait_s)])
    await client.close()


def _near(host: str) -> str:
    """Return an address by which this machine reaches a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104  # not bound here


def _welcome(made: Composition, broker: str, database: str, command: str, folder: Path) -> str:
    settings = made.settings
    here = f"http://{_near(settings.host)}"
    return f"""
  {made.router.name:<11} {here}:{settings.port}/docs
  metrics     {here}:{settings.admin_port}/metrics
  NATS        {broker}
  PostgreSQL  {database}

{command}

Ctrl-C ends it. What it stored stays in {folder}: to begin anew, remove that folder.
"""
