"""`tally streams`: what it prints, and what it refuses, at a broker of its own."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import nats
import pytest
from typer.testing import CliRunner

from tallystick.cli import command_line
from tallystick.testing import NatsServer, nats_server


@pytest.fixture
def broker() -> Iterator[NatsServer]:
    with nats_server() as server:
        yield server


def run(broker: NatsServer, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(command_line(), ["--nats-url", broker.url, "streams", *words])
    return done.exit_code, done.output


async def test_streams_are_saved_and_found_to_be_restored(
    broker: NatsServer, tmp_path: Path
) -> None:
    client = await nats.connect(broker.url)
    await client.jetstream().add_stream(name="SHOP", subjects=["evt.shop.>"])
    await client.jetstream().publish("evt.shop.sold", b"1")
    await client.close()
    code, said = await asyncio.to_thread(run, broker, "save", str(tmp_path))
    assert (code, said.splitlines()[-1]) == (0, "saved: 1 messages in 1 streams")
    code, said = await asyncio.to_thread(run, broker, "restore", str(tmp_path))
    assert (code, said.splitlines()[-1]) == (0, "restored: 1 messages in 1 streams")
    code, said = await asyncio.to_thread(run, broker, "restore", str(tmp_path), "--json")
    assert (code, json.loads(said)["SHOP"]["state"]["messages"]) == (0, 1)


def test_a_folder_that_does_not_exist_is_named(broker: NatsServer, tmp_path: Path) -> None:
    code, said = run(broker, "save", str(tmp_path / "nowhere"))
    assert code == 2
    assert "there is no folder" in said
