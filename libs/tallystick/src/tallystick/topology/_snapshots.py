"""Saves streams into files and restores them, with their messages, durables and acknowledgements.

A stream is two files of a folder: `<STREAM>.json` says what it was, `<STREAM>.snapshot` is what the
broker sent. The stream must rest meanwhile: what is published during a save may be in it or not.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from tallystick._broker.jetstream import Config, info, request
from tallystick.errors import BrokerUnavailable, Refused, TallystickError

CHUNK = 128 * 1024  # bytes
NEXT_WITHIN = 30.0  # seconds: until the next chunk, and until a chunk is stored
_CAUGHT_UP_WITHIN = 60.0  # seconds, for servers of a cluster to meet, and durables to follow


class NotRestored(TallystickError):
    """A stream is not as it was saved."""


@dataclass(frozen=True)
class Saved:
    """What a stream was; a durable is where it had acknowledged, and how many were unsettled."""

    config: Config
    state: Config
    durables: dict[str, tuple[int, int]]

    @property
    def messages(self) -> int:
        """How many messages it had."""
        return int(self.state["messages"])


async def save(client: Client, folder: Path) -> dict[str, Saved]:
    """Write all streams of the broker into a folder that exists; return what they were, by name.

    Raises BrokerUnavailable, or Refused.
    """
    return {name: await _save(client, name, folder) for name in await _names(client)}


async def restore(client: Client, folder: Path, replicas: int) -> dict[str, Saved]:
    """Make all streams that a folder has, each on so many servers; return what they are now.

    One that exists as it was saved is left alone. Raises NotRestored for one that exists and
    differs, or that lacks something afterwards; BrokerUnavailable, or Refused.
    """
    done = {}
    for name, saved in saved_in(folder):
        found = await _now(client, name)
        if found is None:
            await _restore(client, name, folder, saved, replicas)
        elif difference := _lacks(saved, found):
            raise NotRestored(f"stream {name} exists, and is not what was saved: {difference}")
        done[name] = await _complete(client, name, saved)
    return done


def saved_in(folder: Path) -> Iterator[tuple[str, Saved]]:
    """Yield the streams that were saved whole into a folder."""
    for file in sorted(folder.glob("*.json")):
        said = json.loads(file.read_text())
        durables = {name: (floor, lag) for name, (floor, lag) in said["durables"].items()}
        yield file.stem, Saved(said["config"], said["state"], durables)


async def _names(client: Client) -> list[str]:
    names: list[str] = []
    while True:
        page = await request(client, "STREAM.NAMES", {"offset": len(names)})
        names += page["streams"] or []
        if len(names) >= page["total"] or not page["streams"]:
            return names


async def _now(client: Client, name: str) -> Saved | None:
    found = await info(client, f"STREAM.INFO.{name}")
    if found is None:
        return None
    durables: dict[str, tuple[int, int]] = {}
    while True:
        page = await request(client, f"CONSUMER.LIST.{name}", {"offset": len(durables)})
        for one in page["consumers"] or []:
            lag = one["num_pending"] + one["num_ack_pending"]
            durables[one["name"]] = (one["ack_floor"]["stream_seq"], lag)
        if len(durables) >= page["total"] or not page["consumers"]:
            return Saved(found["config"], found["state"], durables)


async def _save(client: Client, name: str, folder: Path) -> Saved:
    saved = await _now(client, name)
    if saved is None:
        raise Refused({"code": 404, "description": f"stream {name} is gone"})
    chunks: asyncio.Queue[Msg] = asyncio.Queue()
    inbox = client.new_inbox()
    reading = await client.subscribe(inbox, cb=chunks.put)
    asks = {"deliver_subject": inbox, "chunk_size": CHUNK, "jsck": True}
    await request(client, f"STREAM.SNAPSHOT.{name}", asks)
    with (folder / f"{name}.snapshot").open("wb") as file:
        await _write(client, chunks, file, name)
        _keep(file)
    await reading.unsubscribe()
    with (folder / f"{name}.json").open("wb") as file:  # last: it says that all is there
        file.write(json.dumps(asdict(saved)).encode())
        _keep(file)
    return saved


async def _write(client: Client, chunks: asyncio.Queue[Msg], file: BinaryIO, name: str) -> None:
    while True:
        try:
            chunk = await asyncio.wait_for(chunks.get(), NEXT_WITHIN)
        except TimeoutError as error:
            raise BrokerUnavailable(f"the rest of stream {name} does not come") from error
        status = (chunk.headers or {}).get("Status", "204")
        if status != "204":
            raise BrokerUnavailable(f"the broker ended the snapshot of {name}: {chunk.headers}")
        if not chunk.data:
            return
        file.write(chunk.data)
        if chunk.reply:
            await client.publish(chunk.reply)  # so that the next ones are sent


def _keep(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


async def _restore(client: Client, name: str, folder: Path, saved: Saved, replicas: int) -> None:
    config = saved.config | {"num_replicas": replicas}
    asks = {"config": config, "state": saved.state}
    to = await _begun(client, name, asks)
    with (folder / f"{name}.snapshot").open("rb") as file:
        while chunk := file.read(CHUNK):
            await _sent(client, to, chunk)
    answer: Config = json.loads((await _sent(client, to, b"")).data)
    if "error" in answer:
        raise Refused(answer["error"])


async def _begun(client: Client, name: str, asks: Config) -> str:
    """Return where the chunks go, as soon as all servers of a cluster have met."""
    deadline = asyncio.get_running_loop().time() + _CAUGHT_UP_WITHIN
    while True:
        try:
            return str((await request(client, f"STREAM.RESTORE.{name}", asks))["deliver_subject"])
        except (BrokerUnavailable, Refused):
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(1)


async def _sent(client: Client, to: str, chunk: bytes) -> Msg:
    try:
        return await client.request(to, chunk, timeout=NEXT_WITHIN)
    except (NatsError, OSError, TimeoutError) as error:
        raise BrokerUnavailable(f"{to}: {error!r}") from error


async def _complete(client: Client, name: str, saved: Saved) -> Saved:
    """Return what a stream is now, once it lacks nothing; raise NotRestored."""
    lacks: str | None = "it does not exist"
    with suppress(TimeoutError):
        async with asyncio.timeout(_CAUGHT_UP_WITHIN):
            while True:
                found = await _now(client, name)
                if found and not (lacks := _lacks(saved, found)):
                    return found
                await asyncio.sleep(0.2)
    raise NotRestored(f"stream {name} is not what was saved: {lacks}")


def _lacks(saved: Saved, found: Saved) -> str | None:
    """Return what a stream lacks; messages that have become too old since are not missed."""
    was, now = saved.state, found.state
    aged = max(0, now["first_seq"] - was["first_seq"])
    if now["last_seq"] != was["last_seq"] or now["messages"] < was["messages"] - aged:
        return f"{_told(now)} instead of {_told(was)}"
    for durable, place in saved.durables.items():
        if durable not in found.durables:
            return f"there is no durable {durable}"
        if not aged and found.durables[durable] != place:
            return f"durable {durable} is at {found.durables[durable]} instead of {place}"
    return None


def _told(state: dict[str, Any]) -> str:
    return f"{state['messages']:,} messages up to {state['last_seq']}"
