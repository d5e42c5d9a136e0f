"""The connection to the broker: it is made in the background and made again whenever it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

import nats
import structlog
from nats.aio.client import Client, ServerVersion

from tallystick._addresses import address_of
from tallystick._broker.data_path import DataPath, wire_of
from tallystick._broker.inboxes import inbox_of
from tallystick._broker.publisher import Publisher
from tallystick._broker.requests import Requests
from tallystick._requirements import check_version
from tallystick._telemetry.metrics import RECONNECTS
from tallystick.errors import BrokerConnectionEnded, BrokerTooOld
from tallystick.limiter import Limiter

log = structlog.get_logger()

OLDEST_BROKER = (2, 12)
"""The first version with atomic batches."""


def check_broker(found: ServerVersion) -> None:
    """Raise BrokerTooOld for a broker without atomic batches: it would store parts of a batch."""
    if (found.major, found.minor) < OLDEST_BROKER:
        oldest = ".".join(map(str, OLDEST_BROKER))
        raise BrokerTooOld(f"{found!r} is too old: nats-server {oldest} or later is needed")


class Connection:
    """A connection that reconnects by itself; `connected` is set while messages can flow.

    Raises UnsupportedVersion for a version of nats-py that it was not tested with.
    """

    def __init__(self, url: str, name: str, data_path: DataPath = "own") -> None:
        check_version("nats-py")
        self.url = url
        self.name = name
        self.address = address_of(url)
        self.inbox_prefix = inbox_of(name)
        self.client = Client()
        self.wire = wire_of(self.client, data_path)
        self.publisher = Publisher(self.wire, self.inbox_prefix)
        self.requests = Requests(self.wire, self.inbox_prefix)
        self.connected = asyncio.Event()
        self.since = 0.0  # loop time of the last (re)connection
        self._closing = False
        self._closed = asyncio.Event()
        self._failures = Limiter()  # while the broker is away, the client fails four times a second
        self._reconnected: list[Callable[[], None]] = []

    def on_reconnect(self, act: Callable[[], None]) -> None:
        """Call `act` after each reconnect: the broker has forgotten the pulls of before."""
        self._reconnected.append(act)

    async def connect(self) -> None:
        """Connect; wait, and log it, while the broker is away.

        Raises BrokerTooOld.
        """
        await self.client.connect(
            [server.strip() for server in self.url.split(",")],
            name=self.name,
            inbox_prefix=self.inbox_prefix,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.25,  # type: ignore[arg-type]  # seconds, fractions work
            connect_timeout=2,
            ping_interval=2,
            max_outstanding_pings=2,
            pending_size=0,
            error_cb=self._failed,
            disconnected_cb=self._lost,
            reconnected_cb=self._found,
            closed_cb=self._ended,
        )
        check_broker(self.client.connected_server_version)
        await self.publisher.start()
        await self.requests.start()
        self._up()
        log.info("broker connected", address=self.address)

    async def until_closed(self) -> None:
        """Raise BrokerConnectionEnded once the connection has ended for good.

        The broker ends a connection that it takes for an attack, or whose login is no longer
        valid. Only a new process can connect again.
        """
        await self._closed.wait()
        raise BrokerConnectionEnded(f"the broker ended the connection: {self.client.last_error}")

    async def close(self) -> None:
        """End the connection, if it was ever made."""
        self._closing = True
        self.connected.clear()
        if self.client.is_connected:
            with suppress(nats.errors.Error, TimeoutError):
                await self.wire.flush(1)
        if not self.client.is_connected:
            self.wire.drop_transport()
        if self.since:
            with suppress(RuntimeError):  # uvloop raises it if the transport is closed already
                await self.client.close()

    def _up(self) -> None:
        self.since = asyncio.get_running_loop().time()
        self.connected.set()

    async def _failed(self, error: Exception) -> None:
        if isinstance(error, OSError) and not self.client.is_connected:
            self.wire.drop_transport()
        text = str(error) or type(error).__name__
        if (unsaid := self._failures.due(text)) is None:
            return
        if isinstance(error, nats.errors.Error | OSError | asyncio.TimeoutError):
            log.warning("broker error", error=text, address=self.address, unsaid=unsaid)
        else:
            log.error("broker error", exc_info=error, address=self.address)

    async def _lost(self) -> None:
        self.connected.clear()
        if not self._closing:
            log.warning("broker disconnected", address=self.address)

    async def _ended(self) -> None:
        self._closed.set()

    async def _found(self) -> None:
        RECONNECTS.inc()
        self._up()
        log.info("broker reconnected", address=self.address)
        for act in self._reconnected:
            act()
