"""Publishers: a round has each publish a number of messages, and counts what the broker stored."""

from __future__ import annotations

from dataclasses import dataclass

from nats.aio.client import Client

from tests.bench.sample import Sample
from tests.bench.taking_part import TakingPart


@dataclass
class Publisher:
    """A publisher that runs, and the stream that it publishes to."""

    one: TakingPart
    client: Client
    stream: str

    async def round(self, count: int) -> Sample:
        """Let it publish so many messages; the sample says what is wrong."""
        jetstream = self.client.jetstream()
        await jetstream.purge_stream(self.stream)
        await self.one.arm(count)
        sample = await self.one.ended()
        stored = (await jetstream.stream_info(self.stream)).state.messages
        wrong = () if stored == count else (f"{self.one.name}: {stored} stored, of {count}",)
        return Sample(sample.count, sample.seconds, sample.cpu_s, wrong)
