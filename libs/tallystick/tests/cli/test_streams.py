"""`tally streams`: what it prints, and what it refuses."""

import asyncio
from pathlib import Path

from nats.aio.client import Client
from typer.testing import CliRunner

from tallystick.cli import command_line
from tallystick.testing import NatsServer


def run(nats: NatsServer, *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(command_line(), ["--nats-url", nats.url, "streams", *words])
    return done.exit_code, done.output


async def test_streams_are_saved_and_found_to_be_restored(
    nats: NatsServer, client: Client, tmp_path: Path
) -> None:
    await client.jetstream().add_stream(name="SHOP", subjects=["evt.shop.>"])
    await client.jetstream().publish("evt.shop.sold", b"1")
    code, said = await asyncio.to_thread(run, nats, "save", str(tmp_path))
    assert (code, said.splitlines()[-1]) == (0, "saved: 1 messages in 1 streams")
    code, said = await asyncio.to_thread(run, nats, "restore", str(tmp_path))
    assert (code, said.splitlines()[-1]) == (0, "restored: 1 messages in 1 streams")


def test_a_folder_that_does_not_exist_is_named(nats: NatsServer, tmp_path: Path) -> None:
    code, said = run(nats, "save", str(tmp_path / "nowhere"))
    assert code == 2
    assert "there is no folder" in said
