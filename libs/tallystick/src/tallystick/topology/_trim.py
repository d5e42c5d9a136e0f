"""Trims a stream that fills: purges only messages that every durable has settled.

Section 9 of docs/delivery.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from nats.aio.client import Client

from tallystick._broker.jetstream import Config, info, request
from tallystick.errors import BrokerUnavailable, TallystickError
from tallystick.limiter import Limiter
from tallystick.topology._spec import Durable, Stream, Topology

log = structlog.get_logger()

FULL = 0.8  # of max_bytes, and of the store
_SILENT = Limiter(60.0)


@dataclass(frozen=True)
class Trimmed:
    """What was purged of a stream that fills; `blocked_by` is the durable that keeps the rest."""

    stream: str
    purged: int
    blocked_by: str | None


async def trim(
    client: Client,
    topologies: Iterable[Topology],
    others: Iterable[Topology] = (),
    *,
    store: int | None = None,
) -> list[Trimmed]:
    """Purge event streams that are over 80 % full, up to the lowest ack floor of their durables.

    `store` is how many bytes each server of the broker may store (`max_file_store`). While all
    streams together, those of `others` included, fill 80 % of it, all streams of `topologies` are
    purged: a full store refuses messages that no single stream would refuse. Streams of `others`
    are never purged. A stream that does not answer is logged, and missing from that sum.

    The durables are those that the broker has and those that `topologies` or `others` declare. A
    declared durable that does not exist blocks the purge. So does a replica of the stream that is
    behind: it may not know which messages are settled. Raises BrokerUnavailable if a durable does
    not answer.
    """
    topologies = list(topologies)
    known = [*topologies, *others]
    readers = [durable for topology in known for durable in topology.durables]
    fills = store is not None and await _stored(client, known) >= FULL * store
    return [
        room
        for topology in topologies
        for stream in topology.streams
        if stream.config["retention"] == "limits" and stream.config["discard"] == "new"
        for room in await _trim_stream(client, stream, readers, 0 if fills else FULL)
    ]


async def _stored(client: Client, topologies: Iterable[Topology]) -> int:
    """Return the bytes of all streams; a stream with replicas counts once.

    One that does not answer counts as empty, so that it does not block the others, and is logged.
    """
    names = {stream.name for topology in topologies for stream in topology.streams}
    total = 0
    for name in sorted(names):
        try:
            found = await info(client, f"STREAM.INFO.{name}")
        except TallystickError as error:
            if (unsaid := _SILENT.due(name)) is not None:
                log.warning("stream size unknown", stream=name, error=str(error), unsaid=unsaid)
        else:
            total += int(found["state"]["bytes"]) if found else 0
    return total


async def _trim_stream(
    client: Client, stream: Stream, readers: list[Durable], full: float
) -> list[Trimmed]:
    found = await info(client, f"STREAM.INFO.{stream.name}")
    if found is None or found["state"]["bytes"] < full * stream.config["max_bytes"]:
        return []
    if not all(replica["current"] for replica in found.get("cluster", {}).get("replicas", [])):
        return []
    last = found["state"]["last_seq"]  # read before asking the durables
    declared = [durable.name for durable in readers if durable.stream == stream.name]
    names = {*declared, *await durables_of(client, stream.name)}
    floors = {name: await _floor(client, stream.name, name, last) for name in sorted(names)}
    slowest = min(floors, key=lambda name: floors[name], default=None)
    floor = floors[slowest] if slowest else last
    purged = await _purge(client, stream.name, floor)
    if purged:
        log.warning("stream trimmed", stream=stream.name, purged=purged, slowest=slowest)
    return [Trimmed(stream.name, purged, slowest if floor < last else None)]


async def durables_of(client: Client, stream: str) -> list[str]:
    """Return the names of all durables of a stream, declared or not.

    Raises BrokerUnavailable if one does not answer: in a cluster it may have no leader for a while.
    """
    found: list[Config] = []
    while True:
        page = await request(client, f"CONSUMER.LIST.{stream}", {"offset": len(found)})
        if missing := page.get("missing"):
            names = ", ".join(missing)
            raise BrokerUnavailable(f"durables of {stream} do not answer: {names}: try again")
        found += page["consumers"] or []
        if len(found) >= page["total"] or not page["consumers"]:
            return [one["name"] for one in found if one["config"].get("durable_name")]


async def _floor(client: Client, stream: str, durable: str, last: int) -> int:
    """Return the last sequence that a durable needs no more; 0 if it does not exist.

    The ack floor of a filtered durable stays at its last match (measured on 2.15.1). So a durable
    that has nothing pending needs nothing up to `last`, the stream's last sequence.

    Example: a durable reads only `evt.shop.sold.*`, its last match was 40, the stream ends at 100:
    its ack floor is 40, but nothing is pending, so all 100 may go.
    """
    found: Config | None = await info(client, f"CONSUMER.INFO.{stream}.{durable}")
    if found is None:
        return 0
    if not found["num_pending"] and not found["num_ack_pending"]:
        return last
    return int(found["ack_floor"]["stream_seq"])


async def _purge(client: Client, stream: str, floor: int) -> int:
    if floor < 1:
        return 0
    answer = await request(client, f"STREAM.PURGE.{stream}", {"seq": floor + 1})
    return int(answer["purged"])
