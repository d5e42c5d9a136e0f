"""Run Alembic scripts without Alembic's command line, configuration file and env.py."""

from functools import partial
from typing import Any

import asyncpg
import structlog
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationInfo
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from tallystick._database.scripts import SCHEMA, Scripts
from tallystick.errors import MigrationFailed

log = structlog.get_logger()


async def upgrade(url: str, scripts: Scripts) -> None:
    """Apply each pending script in a transaction of its own; raise MigrationFailed."""
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url), poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run, scripts)
    except DBAPIError as error:
        statement = f" in: {error.statement.strip()[:200]}" if error.statement else ""
        raise MigrationFailed(f"{scripts.owner}: {error.orig}{statement}") from error
    finally:
        await engine.dispose()


def _run(connection: Connection, scripts: Scripts) -> None:
    directory = ScriptDirectory(str(scripts.folder.parent), version_locations=[str(scripts.folder)])

    def steps(stored: Any, _: Any) -> Any:
        return directory._upgrade_revs("heads", stored)  # noqa: SLF001  # as its `upgrade` does

    with EnvironmentContext(Config(), directory, fn=steps, destination_rev="heads") as environment:
        environment.configure(
            connection=connection,
            version_table=scripts.table,
            version_table_schema=SCHEMA,
            transaction_per_migration=True,
            on_version_apply=partial(_said, scripts.owner),
        )
        with environment.begin_transaction():
            environment.run_migrations()


def _said(owner: str, /, *, step: MigrationInfo, **_: Any) -> None:
    log.info("migration applied", owner=owner, revision=step.up_revision_id)
