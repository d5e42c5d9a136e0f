"""Creates, copies and cleans databases of a PostgreSQL server."""

from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tallystick._database.kept import Kept
from tallystick._database.migrate import apply
from tallystick._database.pool import Target
from tallystick._database.retention import Retention

# One statement for all tables. TRUNCATE would make new files for each, DELETE of few rows costs
# nothing; foreign keys are not checked, so the order of tables does not matter.
CLEAN = """
do $$
declare name text;
begin
    perform set_config('session_replication_role', 'replica', true);
    for name in
        select c.oid::regclass::text from pg_class c
        where c.relkind in ('r', 'p') and not c.relispartition
          and c.relnamespace <> all(array['pg_catalog', 'information_schema']::regnamespace[])
          and not starts_with(c.relname, 'alembic_version')
    loop
        execute 'delete from ' || name;
    end loop;
end $$
"""


def url_of(server: str, database: str) -> str:
    """Return the URL of another database of the same server."""
    return urlunsplit(urlsplit(server)._replace(path=f"/{database}"))


async def create(server: str, name: str, *, template: str | None = None) -> str:
    """Create a database, empty or as a copy of ``template``, which must have no connection.

    Return its URL.
    """
    connection: asyncpg.Connection = await asyncpg.connect(server)
    try:
        source = f' template "{template}"' if template else ""
        await connection.execute(f'create database "{name}"{source}')
    finally:
        await connection.close()
    return url_of(server, name)


async def clean(url: str) -> None:
    """Empty every table of every schema except the versions of migrations; the schemas stay."""
    connection: asyncpg.Connection = await asyncpg.connect(url)
    try:
        await connection.execute(CLEAN)
    finally:
        await connection.close()


async def migrate(package: str, url: str) -> None:
    """Apply the migrations of the library, then those of the package, as ``tally migrate`` does.

    Also make the partitions, as a service does when it starts.
    """
    await apply(package, url)
    await Retention(Target(url, "migrate"), Kept()).prepare()
