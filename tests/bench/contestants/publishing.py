"""What every publisher does in a round, however it publishes."""

from __future__ import annotations

from abc import ABC, abstractmethod

from tests.bench.contestant import WARM, Seen, Stopwatch
from tests.bench.sample import Sample


class Publishing(ABC):
    """Publishes as many messages as a round has."""

    def __init__(self) -> None:
        self._published = 0

    def arm(self, count: int) -> None:
        self._count = count

    async def ended(self) -> Sample:
        warm, watch = self._count // WARM, Stopwatch()
        await self._publish(warm)
        watch.begin()
        await self._publish(self._count - warm)
        return watch.sample(self._count - warm)

    def seen(self) -> Seen:
        return Seen(self._published)

    @abstractmethod
    async def _publish(self, count: int) -> None:
        """Publish so many messages, and count those that are confirmed."""
