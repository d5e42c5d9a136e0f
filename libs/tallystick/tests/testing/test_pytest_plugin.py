import asyncpg
import nats as nats_client
import pytest


@pytest.mark.parametrize("time", ["first", "second"])
async def test_every_test_finds_a_migrated_database_without_rows(
    database_url: str, time: str
) -> None:
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("select count(*) from tallystick.inbox") == 0
    now = "extract(epoch from now())::bigint * 1000"
    id_ = f"(lpad(to_hex({now}), 12, '0') || repeat('0', 20))::uuid"
    await connection.execute(f"insert into tallystick.inbox values (1, {id_})")
    await connection.close()


@pytest.mark.parametrize("time", ["first", "second"])
async def test_every_test_finds_a_broker_without_streams(nats_url: str, time: str) -> None:
    client = await nats_client.connect(nats_url)
    assert await client.jetstream().streams_info() == []
    await client.jetstream().add_stream(name="LEFT", subjects=["left.>"])
    await client.close()
