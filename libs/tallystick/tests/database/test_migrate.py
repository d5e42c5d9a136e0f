import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from alembic.script import ScriptDirectory
from structlog.testing import capture_logs

from tallystick._database.migrate import apply, pending
from tallystick._database.scripts import Scripts, is_reached, scripts_of
from tallystick.errors import MigrationFailed
from tallystick.testing import PostgresServer, free_port, postgres_server

PARCELS = """
from alembic import op
revision = "0001"
down_revision = None
def upgrade() -> None:
    op.execute("create table parcels (id int primary key)")
"""
INDEX = """
from alembic import op
revision: str = '0002'
down_revision: str | None = '0001'
def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("create index concurrently parcels_id on parcels (id)")
"""
BROKEN = """
from alembic import op
revision = "0003"
down_revision = "0002"
def upgrade() -> None:
    op.execute("create table half (id int)")
    op.execute("create table parcels (id int)")
"""


MERGED = """
from alembic import op
revision = "{0}"
down_revision = {1}
def upgrade() -> None:
    pass
"""
REACHED = "select * from tallystick.alembic_version_parcels"


class Url(str):
    """The address of a database, which can run queries."""

    __slots__ = ()

    async def fetch(self, sql: str, *args: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self)
        try:
            return await connection.fetch(sql, *args)
        finally:
            await connection.close()


@pytest.fixture
async def url(postgres: PostgresServer) -> Url:
    return Url(await postgres.create_database(f"migrate_{uuid4().hex[:8]}"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The scripts of a package called parcels."""
    scripts = tmp_path / "parcels" / "migrations" / "versions"
    scripts.mkdir(parents=True)
    (tmp_path / "parcels" / "__init__.py").touch()
    (scripts / "0001_parcels.py").write_text(PARCELS)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("parcels", None)  # that of another test
    scripts_of.cache_clear()
    yield scripts
    scripts_of.cache_clear()
    sys.modules.pop("parcels", None)


@pytest.mark.usefixtures("folder")
async def test_an_empty_database_is_brought_to_the_head_of_both(url: Url) -> None:
    assert await pending(url, "parcels")
    await apply("parcels", url)
    assert not await pending(url, "parcels")
    tables = await url.fetch("select schemaname || '.' || tablename as name from pg_tables")
    names = {row["name"] for row in tables}
    assert names >= {
        "tallystick.inbox",
        "tallystick.alembic_version",
        "public.parcels",
        "tallystick.alembic_version_parcels",
    }


async def test_a_new_release_has_something_pending(url: Url, folder: Path) -> None:
    await apply("parcels", url)
    (folder / "0002_index.py").write_text(INDEX)
    scripts_of.cache_clear()  # like another process, which has read nothing yet
    assert await pending(url, "parcels")
    await apply("parcels", url)
    assert not await pending(url, "parcels")


async def test_the_release_before_finds_nothing_to_do(url: Url, folder: Path) -> None:
    (folder / "0002_index.py").write_text(INDEX)
    await apply("parcels", url)
    (folder / "0002_index.py").unlink()
    scripts_of.cache_clear()
    assert not await pending(url, "parcels")
    await apply("parcels", url)
    assert [tuple(row) for row in await url.fetch(REACHED)] == [("0002",)]


async def test_many_migrators_at_once_apply_everything_once(url: Url, folder: Path) -> None:
    (folder / "0002_index.py").write_text(INDEX)
    with capture_logs() as lines:
        await asyncio.gather(*(apply("parcels", url) for _ in range(5)))
    applied = [line["revision"] for line in lines if line["event"] == "migration applied"]
    assert applied == [*sorted(scripts_of("tallystick")[0].revisions), "0001", "0002"]
    assert any(line["event"] == "migration lock awaited" for line in lines)
    owners = [line["owner"] for line in lines if line["event"] == "migration applied"]
    assert owners == [*["tallystick"] * (len(applied) - 2), "parcels", "parcels"]


async def test_a_broken_migration_leaves_what_was_before_it(url: Url, folder: Path) -> None:
    (folder / "0002_index.py").write_text(INDEX)
    (folder / "0003_broken.py").write_text(BROKEN)
    with pytest.raises(MigrationFailed, match=r'parcels: .*"parcels" already exists'):
        await apply("parcels", url)
    assert [tuple(row) for row in await url.fetch(REACHED)] == [("0002",)]
    assert (await url.fetch("select to_regclass('half')"))[0][0] is None


async def test_a_wrong_password_is_not_waited_for(postgres: PostgresServer) -> None:
    password = postgres.url.split(":")[2].split("@")[0]
    with pytest.raises(MigrationFailed, match="password") as raised:
        await apply("tallystick", postgres.url.replace(password, "wrong"))
    assert "wrong@" not in str(raised.value)


async def test_a_database_that_is_away_is_waited_for(tmp_path: Path) -> None:
    port = free_port()
    with capture_logs() as lines:
        url = f"postgresql://postgres:secret@127.0.0.1:{port}/postgres"
        migrating = asyncio.create_task(apply("tallystick", url))
        async with asyncio.timeout(10):
            while not lines:
                await asyncio.sleep(0.01)
        with postgres_server(tmp_path / "data", port, password="secret"):
            async with asyncio.timeout(20):
                await migrating
    assert lines[0]["event"] == "database unavailable"
    assert lines[0]["address"] == f"127.0.0.1:{port}/postgres"


@pytest.mark.usefixtures("folder")
def test_heads_read_as_text_are_those_that_alembic_finds() -> None:
    for scripts in scripts_of("parcels"):
        found = ScriptDirectory(str(scripts.folder.parent), version_locations=[str(scripts.folder)])
        assert scripts.heads == set(found.get_heads())
        assert scripts.revisions == {script.revision for script in found.walk_revisions()}


@pytest.mark.parametrize(
    ("stored", "reached"),
    [(set(), False), ({"0001"}, False), ({"0002"}, True), ({"0009"}, True)],
)
def test_a_database_ahead_counts_as_migrated(folder: Path, stored: set[str], reached: bool) -> None:
    (folder / "0002_index.py").write_text(INDEX)
    assert is_reached(frozenset(stored), Scripts("parcels", folder)) is reached


@pytest.mark.parametrize("package", ["nowhere", "tallystick", "json"])
def test_a_package_without_scripts_has_the_librarys_alone(package: str) -> None:
    assert [scripts.owner for scripts in scripts_of(package)] == ["tallystick"]


async def test_revisions_of_other_scripts_do_not_count_as_ours(url: Url, folder: Path) -> None:
    await url.fetch("create table public.alembic_version (version_num text)")
    await url.fetch("insert into public.alembic_version values ('f00dfeed')")
    assert await pending(url, "parcels")
    await apply("parcels", url)
    assert not await pending(url, "parcels")
    assert (await url.fetch("select to_regclass('public.parcels')"))[0][0] == "parcels"
    found = await url.fetch("select version_num from public.alembic_version")
    assert [row[0] for row in found] == ["f00dfeed"]


async def test_a_folder_without_scripts_has_nothing_pending(url: Url, folder: Path) -> None:
    (folder / "0001_parcels.py").unlink()
    (folder / "__init__.py").touch()
    scripts_of.cache_clear()
    await apply("parcels", url)
    assert not await pending(url, "parcels")


@pytest.mark.parametrize("follows", ["('0002a', '0002b')", "[\n    '0002a',\n    '0002b',\n]"])
async def test_scripts_that_were_merged_are_reached(url: Url, folder: Path, follows: str) -> None:
    for name in ("0002a", "0002b"):
        (folder / f"{name}.py").write_text(MERGED.format(name, "'0001'"))
    (folder / "0003.py").write_text(MERGED.format("0003", follows))
    scripts_of.cache_clear()
    assert await pending(url, "parcels")
    await apply("parcels", url)
    assert [row[0] for row in await url.fetch(REACHED)] == ["0003"]
    assert not await pending(url, "parcels")


async def test_several_heads_are_reached(url: Url, folder: Path) -> None:
    for name in ("0002a", "0002b"):
        (folder / f"{name}.py").write_text(MERGED.format(name, "'0001'"))
    scripts_of.cache_clear()
    await apply("parcels", url)
    assert not await pending(url, "parcels")


def test_a_script_whose_revision_is_computed_is_refused(folder: Path) -> None:
    (folder / "0002.py").write_text(MERGED.format("0002", "before()"))
    scripts_of.cache_clear()
    with pytest.raises(MigrationFailed, match=r"0002\.py: write revision and down_revision"):
        _ = scripts_of("parcels")[1].heads


@pytest.mark.usefixtures("folder")
async def test_a_user_who_may_create_nothing_sees_what_is_applied(url: Url) -> None:
    await apply("parcels", url)
    user = f"reader_{uuid4().hex[:8]}"
    for statement in (
        f"create role {user} login password 'secret-enough'",
        f"grant usage on schema tallystick to {user}",
        f"grant select on all tables in schema tallystick to {user}",
    ):
        await url.fetch(statement)
    address = url.rpartition("@")[2]
    with capture_logs() as lines:
        await apply("parcels", f"postgresql://{user}:secret-enough@{address}")
    assert [line["event"] for line in lines] == ["database migrated", "database migrated"]


def test_a_release_reads_its_scripts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = Scripts("x", scripts_of("tallystick")[0].folder)
    heads = scripts.heads
    monkeypatch.setattr(Path, "read_text", lambda _: pytest.fail("they were read again"))
    assert (scripts.heads, bool(scripts.revisions)) == (heads, True)
