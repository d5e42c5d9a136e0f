"""What the broker has of a topology: settings, and how much is stored and unread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from nats.aio.client import Client

from tallystick._broker.jetstream import Config, info
from tallystick.topology._spec import Item, Stream, Topology


@dataclass(frozen=True)
class StreamFound:
    """A stream as it is; `oldest` is when its first message was stored, None if it has none."""

    config: Config
    messages: int
    bytes: int
    oldest: datetime | None


@dataclass(frozen=True)
class DurableFound:
    """A durable as it is; `lag` counts what it has neither received nor settled."""

    config: Config
    lag: int


@dataclass(frozen=True)
class Observed:
    """What was found of each stream and durable; None where there is no such thing."""

    streams: Mapping[str, StreamFound | None]
    durables: Mapping[tuple[str, str], DurableFound | None]

    def config_of(self, item: Item) -> Config | None:
        """The settings that the broker has of a stream or a durable."""
        if isinstance(item, Stream):
            stream = self.streams.get(item.name)
            return stream.config if stream else None
        durable = self.durables.get((item.stream, item.name))
        return durable.config if durable else None


async def observe(client: Client, topology: Topology) -> Observed:
    """Asks for every stream and durable; raises BrokerUnavailable."""
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
