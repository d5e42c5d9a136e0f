"""Reads from the broker the settings of a topology, and how much is stored and not settled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from nats.aio.client import Client

from tallystick._broker.jetstream import Config, info
from tallystick.topology._spec import Item, Stream, Topology


@dataclass(frozen=True)
class StreamFound:
    """A stream at the broker; `oldest` is when its first message was stored, None without one."""

    config: Config
    messages: int
    bytes: int
    oldest: datetime | None


@dataclass(frozen=True)
class DurableFound:
    """A durable at the broker; `lag` counts the messages that it has not settled."""

    config: Config
    lag: int


@dataclass(frozen=True)
class Observed:
    """The streams and durables that were found; None for each that does not exist."""

    streams: Mapping[str, StreamFound | None]
    durables: Mapping[tuple[str, str], DurableFound | None]

    def config_of(self, item: Item) -> Config | None:
        """Return the broker's settings of a stream or durable; None if it does not exist."""
        if isinstance(item, Stream):
            stream = self.streams.get(item.name)
            return stream.config if stream else None
        durable = self.durables.get((item.stream, item.name))
        return durable.config if durable else None


async def observe(client: Client, topology: Topology) -> Observed:
    """Read every stream and durable of a topology; raises BrokerUnavailable, or Refused."""
    streams = {one.name: await _stream(client, one.name) for one in topology.streams}
    durables = {
        (one.stream, one.name): await _durable(client, one.stream, one.name)
        for one in topology.durables
    }
    return Observed(streams, durables)


async def _stream(client: Client, name: str) -> StreamFound | None:
    found = await info(client, f"STREAM.INFO.{name}")
    if found is None:
        return None
    state = found["state"]
    oldest = datetime.fromisoformat(state["first_ts"]) if state["messages"] else None
    return StreamFound(found["config"], state["messages"], state["bytes"], oldest)


async def _durable(client: Client, stream: str, name: str) -> DurableFound | None:
    found = await info(client, f"CONSUMER.INFO.{stream}.{name}")
    if found is None:
        return None
    return DurableFound(found["config"], found["num_pending"] + found["num_ack_pending"])
