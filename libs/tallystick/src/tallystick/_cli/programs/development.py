"""A service under development: the servers that it needs beside it, gone when it ends."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import nats
import typer
from fastapi import FastAPI

from tallystick._database.migrate import migrate
from tallystick._requirements import require
from tallystick._service.serve import serve
from tallystick._service.service import Composition
from tallystick._telemetry import logging
from tallystick.testing import nats_server, postgres_server
from tallystick.topology import declared, reconcile

A_DAY = 86_400  # seconds: who stops at a breakpoint is not blocked


def develop(name: str, compose: Callable[[], FastAPI]) -> None:
    """Serve a service on a NATS and a PostgreSQL of its own, migrated and reconciled.

    Returns after SIGTERM or Ctrl-C; what was stored is gone then. Raises MissingExtra, PortTaken,
    MigrationFailed.
    """
    with _servers(name) as (broker, database):
        prefix = name.upper().replace("-", "_")
        os.environ |= {f"{prefix}_NATS_URL": broker, f"{prefix}_DATABASE_URL": database}
        app = compose()
        made: Composition = app.state.composition
        logging.configure(made.settings)
        migrate(name, database)
        asyncio.run(_reconcile(broker, made))
        typer.echo(_welcome(made, broker, database))
        serve(app, made.settings.model_copy(update={"blocked_after_s": A_DAY}))


@contextmanager
def _servers(name: str) -> Iterator[tuple[str, str]]:
    """Run both servers; yields the URL of the broker and that of the service's database."""
    require("tally dev", "testing")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that the servers' files go as well
    with nats_server() as broker, postgres_server() as postgres:
        yield broker.url, asyncio.run(postgres.create_database(name))


async def _reconcile(broker: str, made: Composition) -> None:
    client = await nats.connect(broker)
    await reconcile(client, [declared(made.router, ack_wait_s=made.settings.ack_wait_s)])
    await client.close()


def _welcome(made: Composition, broker: str, database: str) -> str:
    settings = made.settings
    here = f"http://{settings.host}"
    return f"""
  {made.router.name:<11} {here}:{settings.port}/docs
  metrics     {here}:{settings.admin_port}/metrics
  NATS        {broker}
  PostgreSQL  {database}

Ctrl-C ends it, and what it stored is gone then.
"""
