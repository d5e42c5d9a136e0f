"""The side of a service that faces the broker: durables read, requests answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog

from tallystick._broker.connection import Connection
from tallystick._delivery.consumer import Consumer
from tallystick._delivery.replying import Replying
from tallystick._loops import repeat
from tallystick._telemetry.metrics import LAG, MISSING, child, forget
from tallystick.errors import BrokerUnavailable, TallystickError
from tallystick.topology import Durable, lag, verify_durable

log = structlog.get_logger()

LAG_EVERY = 5.0  # seconds


class Listening:
    """Begins once the broker is there, each durable once it is as declared."""

    def __init__(
        self,
        connection: Connection,
        consumers: Sequence[tuple[Consumer, Durable]],
        replying: Replying,
        sweep_s: float,
    ) -> None:
        self._connection = connection
        self._consumers = consumers
        self._replying = replying
        self._sweep_s = sweep_s

    async def run(self) -> None:
        """Connects and listens; ends when cancelled, or by BrokerUnavailable for good."""
        await self._connection.connect()
        await self._replying.start()
        async with asyncio.TaskGroup() as consumers:
            consumers.create_task(self._connection.until_closed())
            for consumer, durable in self._consumers:
                consumers.create_task(self._consume(consumer, durable))

    async def drain(self) -> None:
        """Takes nothing more; returns when what was begun has ended."""
        await self._replying.drain()
        for consumer, _ in self._consumers:
            await consumer.drain()

    async def _consume(self, consumer: Consumer, durable: Durable) -> None:
        await self._until_declared(durable)
        await consumer.start()
        async with asyncio.TaskGroup() as loops:
            loops.create_task(consumer.heartbeats())
            loops.create_task(repeat(self._sweep_s, consumer.tick))
            loops.create_task(repeat(LAG_EVERY, partial(self._measure, durable)))

    async def _until_declared(self, durable: Durable) -> None:
        """Waits until the durable is as it was declared; says what it waits for."""
        said = ""
        while found := await self._differences(durable):
            if found != said:
                log.warning("durable not ready", durable=durable.name, differs=found)
            said = found
            await self._measure(durable)
            await asyncio.sleep(self._sweep_s)

    async def _differences(self, durable: Durable) -> str:
        try:
            return "; ".join(map(str, await verify_durable(self._connection.client, durable)))
        except TallystickError as error:
            return str(error)

    async def _measure(self, durable: Durable) -> None:
        """Tells how far behind a durable is, and nothing while nobody knows."""
        left: int | None = None
        try:
            if self._connection.connected.is_set():
                left = await lag(self._connection.client, durable)
                child(MISSING, durable.name).set(left is None)
            else:
                forget(MISSING, durable.name)
        except BrokerUnavailable as error:
            forget(MISSING, durable.name)
            log.debug("lag unknown", durable=durable.name, error=str(error))
        if left is None:
            forget(LAG, durable.name)
        else:
            child(LAG, durable.name).set(left)
