"""Read a service's durables and answer its requests.

Section 9 of docs/delivery.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog

from tallystick._account.serving import Serving
from tallystick._broker.connection import Connection
from tallystick._delivery.consumer import Consumer
from tallystick._delivery.ownership import Ownership
from tallystick._delivery.replying import Replying
from tallystick._loops import repeat
from tallystick._telemetry.metrics import DURABLE_READY, LAG, child, forget
from tallystick.errors import BrokerUnavailable, TallystickError
from tallystick.tasks import together
from tallystick.topology import Durable, lag, verify_durable

log = structlog.get_logger()

LAG_EVERY = 5.0  # seconds


class Listening:
    """Starts when the broker is available; reads each durable once it is as declared."""

    def __init__(
        self,
        connection: Connection,
        consumers: Sequence[tuple[Consumer, Durable]],
        replying: Replying,
        serving: Serving,
        sweep_s: float,
        ownership: Ownership,
    ) -> None:
        self._connection = connection
        self._consumers = consumers
        self._replying = replying
        self._serving = serving
        self._sweep_s = sweep_s
        self._ownership = ownership
        self._draining = False
        self.differs = {durable.name: "not looked at yet" for _, durable in consumers}
        """By name, the durables that are not as declared, and how they differ."""
        self._show()

    async def run(self) -> None:
        """Connect and listen until cancelled.

        Raises BrokerConnectionEnded, BrokerTooOld or NotTheOwner, which are final. After any other
        error it can be called again.
        """
        if not self._connection.since:
            await self._connection.connect()
        await self._ownership.claim()
        try:
            await self._replying.start()
            await self._serving.start()
            await together(
                self._connection.until_closed(),
                self._ownership.keep(),
                *(self._consume(consumer, durable) for consumer, durable in self._consumers),
            )
        finally:
            await self._stop()

    async def drain(self) -> None:
        """Stop all durables and requests; wait until everything in progress has ended."""
        self._draining = True
        await self._stop()
        await asyncio.gather(
            self._replying.finished(), *(consumer.finished() for consumer, _ in self._consumers)
        )

    async def _stop(self) -> None:
        await asyncio.gather(
            self._replying.stop(),
            self._serving.stop(),
            *(consumer.stop() for consumer, _ in self._consumers),
        )

    async def _consume(self, consumer: Consumer, durable: Durable) -> None:
        await self._until_declared(durable)
        if not self._draining:
            await consumer.start()
        await together(
            consumer.heartbeats(),
            repeat(self._sweep_s, consumer.tick, f"ask for {durable.name}"),
            repeat(LAG_EVERY, partial(self._measure, durable), f"lag of {durable.name}"),
        )

    async def _until_declared(self, durable: Durable) -> None:
        """Wait until the durable is as declared; log how it differs."""
        while await self._compare(durable):
            await self._measure(durable)
            await asyncio.sleep(self._sweep_s)

    async def _compare(self, durable: Durable) -> str:
        """Return how a durable differs from its declaration, or ""; show it, log each change."""
        found = await self._differences(durable)
        if found and found != self.differs.get(durable.name):
            log.warning("durable not ready", durable=durable.name, differs=found)
        self.differs = {n: d for n, d in self.differs.items() if n != durable.name}
        if found:
            self.differs[durable.name] = found
        self._show()
        return found

    def _show(self) -> None:
        for _, durable in self._consumers:
            child(DURABLE_READY, durable.name).set(durable.name not in self.differs)

    async def _differences(self, durable: Durable) -> str:
        try:
            return "; ".join(map(str, await verify_durable(self._connection.client, durable)))
        except TallystickError as error:
            return str(error)

    async def _measure(self, durable: Durable) -> None:
        """Set the lag metric of a durable; remove it while the lag is unknown."""
        left: int | None = None
        try:
            if self._connection.connected.is_set():
                await self._compare(durable)
                left = await lag(self._connection.client, durable)
        except BrokerUnavailable as error:
            log.debug("lag unknown", durable=durable.name, error=str(error))
        if left is None:
            forget(LAG, durable.name)
        else:
            child(LAG, durable.name).set(left)
