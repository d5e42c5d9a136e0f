"""The rows `publish`: a service publishes typed events with headers and ids, all acknowledged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from nats.aio.client import Client

from tallystick import Router
from tallystick.topology import Topology, declared, reconcile
from tests.bench.contest import Contestant, compared
from tests.bench.contestant import Given
from tests.bench.contests.feed import SHOP, peer_stream, subject_of
from tests.bench.contests.publishing import Publisher
from tests.bench.ground import Ground
from tests.bench.result import Comparison, Result
from tests.bench.size import Size
from tests.bench.taking_part import taking_part

OURS, PEER = "ours, publish x256", "nats-py publish_async"
PLAIN = ", no fsync"
STREAM = "P_PUBLISHED"
ROWS = [
    Comparison(row="publish", ours=OURS, peer=PEER, at_least=8),
    Comparison(row="publish, no fsync", ours=OURS + PLAIN, peer=PEER + PLAIN, at_least=2.5),
]


async def publish(on: Ground, size: Size) -> list[Result]:
    """Measure on a broker that has each message on the disk, and on one that has not."""
    async with AsyncExitStack() as stack:
        contestants: dict[str, Contestant] = {}
        for after, client, url in (
            ("", on.client, on.nats),
            (PLAIN, on.plain_client, on.plain_nats),
        ):
            await _streams(client)
            for name, one in (
                await stack.enter_async_context(_both(on, client, url, after))
            ).items():
                contestants[name] = Contestant(one, size.published)
        return await compared(contestants, ROWS, size.rounds)


async def _streams(client: Client) -> None:
    topologies = [declared(Router("shop")), Topology("peers", (peer_stream(STREAM),), ())]
    if refused := await reconcile(client, topologies):
        raise RuntimeError(str(refused))


@asynccontextmanager
async def _both(
    on: Ground, client: Client, url: str, after: str
) -> AsyncIterator[dict[str, Publisher]]:
    ours = Given(nats=url, database=await on.database("shop"))
    theirs = Given(nats=url, subject=subject_of(STREAM))
    async with (
        taking_part(OURS + after, "ours_publishing", ours, on.folder) as mine,
        taking_part(PEER + after, "nats_py_publishing", theirs, on.folder) as other,
    ):
        yield {
            OURS + after: Publisher(mine, client, SHOP),
            PEER + after: Publisher(other, client, STREAM),
        }
