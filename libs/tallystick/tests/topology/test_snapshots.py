"""Streams that move to another broker: nothing is lost, and nothing is read twice."""

from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from tallystick.testing import nats_server
from tallystick.topology import NotRestored, lag, observe, reconcile, restore, save

from .test_trim import read, readers, stored

SHOP = readers()


@pytest.fixture
async def saved(client: Client, tmp_path: Path) -> Path:
    """A stream of which one durable has read a part, in a folder."""
    await reconcile(client, [SHOP])
    for _ in range(30):
        assert await stored(client)
    await read(client, "shop-first", 10)
    await save(client, tmp_path)
    return tmp_path


async def test_a_stream_is_restored_with_what_each_durable_has_not_read(
    client: Client, saved: Path
) -> None:
    before = await observe(client, SHOP)
    with nats_server() as other:
        there = await nats.connect(other.url)
        restored = await restore(there, saved, replicas=1)
        after = await observe(there, SHOP)
        lags = [await lag(there, durable) for durable in SHOP.durables]
        await there.close()
    assert restored["SHOP"].messages == 30
    assert after == before
    assert lags == [20, 30, 0]


async def test_a_restore_that_was_interrupted_goes_on(client: Client, saved: Path) -> None:
    with nats_server() as other:
        there = await nats.connect(other.url)
        first = await restore(there, saved, replicas=1)
        assert await restore(there, saved, replicas=1) == first
        await there.close()


async def test_a_stream_with_other_messages_is_not_overwritten(client: Client, saved: Path) -> None:
    with nats_server() as other:
        there = await nats.connect(other.url)
        await reconcile(there, [SHOP])
        with pytest.raises(NotRestored, match="exists, and is not what was saved: 0 messages"):
            await restore(there, saved, replicas=1)
        await there.close()


async def test_a_snapshot_that_is_not_whole_is_not_restored(client: Client, saved: Path) -> None:
    (saved / "SHOP.json").unlink()
    with nats_server() as other:
        there = await nats.connect(other.url)
        assert "SHOP" not in await restore(there, saved, replicas=1)
        await there.close()
