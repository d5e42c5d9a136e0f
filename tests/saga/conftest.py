"""The three services in this process on a real broker and databases; who is outside is played."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

import pytest

from payments import provider
from shipping import carrier
from tallystick.testing import NatsServer
from tests.platform import Platform, running

DEFAULTS: dict[str, Any] = {
    "capture": lambda _, reference, *__: provider.Captured(reference),
    "find": lambda *_: None,
    "refund": lambda *_: provider.Refunded(),
    "book": lambda *_: carrier.Booked("T1"),
    "cancel": lambda *_: carrier.BookingCancelled(),
}


class Call:
    """A call that is out until it is answered."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def is_out(self) -> None:
        await asyncio.wait_for(self.arrived.wait(), 20)


class Played:
    """Who is outside: says yes unless a test says what comes; remembers how it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.answers: dict[str, list[Any]] = {call: [] for call in DEFAULTS}

    async def answer(self, call: str, *given: Any) -> Any:
        self.asked.append((call, *given))
        answer = self.answers[call].pop(0) if self.answers[call] else DEFAULTS[call](*given)
        if isinstance(answer, Call):
            answer.arrived.set()
            answer = await answer.answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def call(self) -> Call:
        """An answer that the test gives when it wants to."""
        return Call()

    def calls(self) -> list[str]:
        return [call[0] for call in self.asked]

    def keys(self, call: str) -> set[str]:
        return {asked[1] for asked in self.asked if asked[0] == call}


@pytest.fixture(scope="module")
async def platform(nats: NatsServer, databases: Mapping[str, str]) -> AsyncIterator[Platform]:
    async with running(nats, databases, ("orders", "payments", "shipping")) as platform:
        yield platform


@pytest.fixture
def outside(platform: Platform) -> Played:
    """The played ones, where the services have their clients."""
    outside = Played()
    payments, shipping = platform.runtime("payments"), platform.runtime("shipping")
    for call in ("capture", "find", "refund"):
        setattr(payments.resources[provider.Provider], call, partial(outside.answer, call))
    for call in ("book", "cancel"):
        setattr(shipping.resources[carrier.Carrier], call, partial(outside.answer, call))
    return outside
