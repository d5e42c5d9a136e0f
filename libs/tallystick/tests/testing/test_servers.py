import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import asyncpg
import nats as nats_client
import pytest

from tallystick.testing import (
    Child,
    NatsServer,
    NotReadyError,
    PostgresServer,
    clean,
    cluster,
    free_port,
    holds,
    is_free,
    nats_server,
    postgres_server,
)
from tallystick.testing import nats as nats_module
from tallystick.testing import postgres as postgres_module
from tallystick.testing.cluster import programs


def test_a_free_port_can_be_listened_on_and_is_then_not_free() -> None:
    port = free_port()
    assert is_free(port)
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)


def test_the_broker_syncs_every_acknowledged_message() -> None:
    text = nats_module.config(Path("/var/store"), 4222)
    assert "sync_interval: always" in text
    assert 'listen: "127.0.0.1:4222"' in text


async def test_a_killed_broker_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    with nats_server(tmp_path) as server:
        client = await nats_client.connect(server.url)
        await client.jetstream().add_stream(name="KEPT", subjects=["kept.>"])
        await client.jetstream().publish("kept.one", b"1")
        await client.close()
        server.kill()
        server.start()
        client = await nats_client.connect(server.url)
        assert (await client.jetstream().stream_info("KEPT")).state.messages == 1
        await client.close()


async def test_a_killed_database_keeps_what_it_committed() -> None:
    with postgres_server() as server:
        connection = await asyncpg.connect(server.url)
        await connection.execute("create table kept as select 1 as one")
        server.kill()
        server.start()
        connection.terminate()
        connection = await asyncpg.connect(server.url)
        assert await connection.fetchval("select one from kept") == 1
        await connection.close()


async def test_the_database_syncs_unless_fsync_is_off(postgres: PostgresServer) -> None:
    assert postgres_module.command(Path("data"), 1)[-3].endswith("fsync=on")
    connection = await asyncpg.connect(postgres.url)
    assert await connection.fetchval("show fsync") == "on"
    assert await connection.fetchval("show server_version_num") >= "180000"
    await connection.close()


async def test_the_database_wants_a_password(postgres: PostgresServer) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://postgres:guess@127.0.0.1:{postgres.port}/postgres")


async def test_data_below_a_private_folder_is_served_and_the_folder_stays_private(
    tmp_path: Path,
) -> None:
    private = tmp_path / "private, with a space"
    private.mkdir(mode=0o700)
    above = [*(private / "data").parents, *programs().parents]
    modes = [folder.stat().st_mode for folder in above]
    with postgres_server(private / "data") as server:
        connection = await asyncpg.connect(server.url)
        await connection.close()
    assert [folder.stat().st_mode for folder in above] == modes


async def test_programs_below_a_private_folder_serve_as_others_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = programs().parents[1]
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for folder in (installed, installed.with_name(f"{installed.name}.libs")):
        if folder.exists():
            shutil.copytree(folder, private / folder.name)
    there = private / installed.name / "pginstall18" / "bin"
    for module in (cluster, postgres_module):
        monkeypatch.setattr(module, "programs", lambda: there)
    with postgres_server() as server:
        connection = await asyncpg.connect(server.url)
        await connection.close()


def test_a_cluster_that_cannot_be_made_says_where_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "initdb").write_text("#!/bin/sh\necho 'No space left on device' >&2\nexit 1\n")
    (tmp_path / "initdb").chmod(0o755)
    monkeypatch.setattr(cluster, "programs", lambda: tmp_path)
    with pytest.raises(NotReadyError, match=r"in .*/data.new\nNo space left on device"):
        cluster.prepare(tmp_path / "data", "password")
    assert not (tmp_path / "data").exists()


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="who is not root has none")
def test_of_roots_rights_the_database_keeps_none_but_to_pass(postgres: PostgresServer) -> None:
    status = Path(f"/proc/{postgres.process.pid}/status").read_text()
    kept = {
        line.split()[1] for line in status.splitlines() if line.startswith(("CapPrm", "CapEff"))
    }
    assert {int(mask, 16) for mask in kept} <= {0, 1 << 1, 1 << 2}


async def test_cleaning_empties_tables_of_every_schema_and_keeps_the_migration(
    postgres: PostgresServer,
) -> None:
    url = await postgres.create_database("cleaned")
    connection = await asyncpg.connect(url)
    await connection.execute(
        """
        create schema apart;
        create table one (id int primary key);
        create table apart.many (one int references one);
        create table alembic_version (version_num text);
        insert into one values (1); insert into apart.many values (1);
        create table alembic_version_own (version_num text);
        insert into alembic_version values ('0001');
        insert into alembic_version_own values ('0002');
        """
    )
    await clean(url)
    rows = "select (select count(*) from one) + (select count(*) from apart.many)"
    assert await connection.fetchval(rows) == 0
    assert await connection.fetchval("select version_num from alembic_version") == "0001"
    assert await connection.fetchval("select version_num from alembic_version_own") == "0002"
    await connection.close()


async def test_a_database_can_be_copied_from_a_template(postgres: PostgresServer) -> None:
    connection = await asyncpg.connect(await postgres.create_database("pattern"))
    await connection.execute("create table shape (id int)")
    await connection.close()
    copy = await asyncpg.connect(await postgres.create_database("copy", template="pattern"))
    assert await copy.fetchval("select count(*) from shape") == 0
    await copy.close()


async def test_cleaning_a_broker_deletes_every_stream(nats: NatsServer) -> None:
    client = await nats_client.connect(nats.url)
    await client.jetstream().add_stream(name="GONE", subjects=["gone.>"])
    await nats.clean()
    assert await client.jetstream().streams_info() == []
    await client.close()


def test_a_program_that_cannot_start_says_why(tmp_path: Path) -> None:
    child = Child([sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path / "log")
    with pytest.raises(NotReadyError, match="no such thing"):
        child.wait_until(lambda: False, within=10)


def test_a_program_that_ignores_the_request_to_stop_is_killed(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); "
    child = Child([sys.executable, "-c", deaf + "time.sleep(60)"], tmp_path / "log")
    child.wait_until(lambda: "deaf" in child.log.read_text(), within=10)
    child.stop(within=0.1)
    assert child.process.returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal at a parent's death")
def test_servers_do_not_outlive_a_session_that_was_killed(tmp_path: Path) -> None:
    program = """
import sys, time
from tallystick.testing import nats_server, postgres_server
with nats_server() as nats, postgres_server() as postgres:
    print(nats.process.pid, postgres.process.pid, flush=True)
    time.sleep(60)
"""
    session = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert session.stdout is not None
    children = [int(pid) for pid in session.stdout.readline().split()]
    assert len(children) == 2
    session.kill()
    session.communicate()
    assert holds(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))


def test_postgres_is_never_root(postgres: PostgresServer) -> None:
    status = Path(f"/proc/{postgres.process.pid}/status")
    if not status.exists():
        pytest.skip("no /proc")
    owner = next(line for line in status.read_text().splitlines() if line.startswith("Uid:"))
    assert "0" not in owner.split()[1:]
    assert os.getpid() != postgres.process.pid
