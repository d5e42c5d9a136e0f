"""The connection to the broker: made in the background, kept for ever, never a reason to fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import nats
import structlog
from nats.aio.client import Client

from tallystick._envelope import wire_headers
from tallystick._errors import BrokerUnavailable, DeclarationError
from tallystick._history import Recorded, Start, read_history
from tallystick._messages import Event, Job, Request, message_type
from tallystick._metrics import RECONNECTS
from tallystick._publisher import Publication, Publisher
from tallystick._publishing import publishable
from tallystick._requesting import RequestFailed, ask
from tallystick._router import Router
from tallystick._seldom import Seldom
from tallystick._wire import Wire

log = structlog.get_logger()

R = TypeVar("R")


class Broker:
    """Connects and stays connected; `connected` is set while messages can flow.

    A service's asks and reads what its router declares, a tool's whatever its user may.
    """

    def __init__(self, url: str, name: str, router: Router | None = None) -> None:
        self.url = url
        self._router = router
        self._address = ",".join(server.rpartition("@")[2] for server in url.split(","))
        self._name = name
        self.inbox_prefix = f"_INBOX.{name}"
        self.client = Client()
        self.wire = Wire(self.client)
        self.publisher = Publisher(self.wire, self.inbox_prefix)
        self.connected = asyncio.Event()
        self.since = 0.0  # loop time of the last (re)connection
        self._closing = False
        self._closed = asyncio.Event()
        self._failures = Seldom()  # while the broker is away, the client fails four times a second
        self._reconnected: list[Callable[[], None]] = []

    def on_reconnect(self, act: Callable[[], None]) -> None:
        """Calls `act` after each reconnect: what was asked of the broker before is forgotten."""
        self._reconnected.append(act)

    async def connect(self) -> None:
        """Returns when connected; waits for a broker that is away, and says so."""
        await self.client.connect(
            self.url,
            name=self._name,
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
        await self.publisher.start()
        self._up()
        log.info("connected to the broker", address=self._address)

    async def until_closed(self) -> None:
        """Raises BrokerUnavailable once the broker has ended the connection for good.

        So it answers what it takes for an attack or a login that is no longer valid; only a new
        process mends that.
        """
        await self._closed.wait()
        raise BrokerUnavailable(f"the broker ended the connection: {self.client.last_error}")

    async def publish(self, message: Event | Job) -> None:
        """Publishes a message without the outbox, for what needs no guarantee.

        Raises BrokerUnavailable (in doubt: it may have been stored), NotStored, InvalidMessage, or
        DeclarationError for a message of another service.
        """
        row = publishable(self._name, message, None, self.wire.max_payload)
        headers = wire_headers(row, self._name)
        await self.publisher.publish(Publication(row.subject, headers, row.body))

    def history(
        self, *events: type[Event], since: Start = None, follow: bool = False
    ) -> AsyncIterator[Recorded]:
        """Events of one stream as they were said, in order; needs no durable and leaves none.

        `since` is a time or a sequence; without one it begins at the start. It ends at the
        stream's end, unless it follows. Raises BrokerUnavailable, Refused if there is no such
        stream, or DeclarationError for events that the router does not name.
        """
        if self._router is not None:
            _must_be_declared(self._router, "history", events)
        declared = [message_type(event) for event in events]
        if len({one.stream for one in declared}) != 1:
            raise DeclarationError("a history is of events of one stream")
        subjects = [one.subjects for one in declared]
        return read_history(self, declared[0].stream, subjects, since=since, follow=follow)

    async def request(self, request: Request[R], *, within: float) -> R:
        """Asks another service; `within` is in seconds.

        Raises RequestFailed: at once if nobody answers such requests, when time is up, or with
        the error there. Raises DeclarationError for one that the router does not name.
        """
        if self._router is not None:
            _must_be_declared(self._router, "asks", [type(request)])
        if not self.connected.is_set():
            raise RequestFailed("not connected to the broker")
        return await ask(self.client, request, within)

    async def close(self) -> None:
        """Ends the connection; one that was never made needs no end."""
        self._closing = True
        self.connected.clear()
        if self.client.is_connected:
            with suppress(nats.errors.Error, TimeoutError):
                await self.client.flush(timeout=1)
        if not self.client.is_connected:
            self._drop_transport()
        if self.since:
            with suppress(RuntimeError):  # uvloop's, of a connection that has gone
                await self.client.close()

    def _up(self) -> None:
        self.since = asyncio.get_running_loop().time()
        self.connected.set()

    async def _failed(self, error: Exception) -> None:
        if isinstance(error, OSError) and not self.client.is_connected:
            self._drop_transport()
        text = str(error) or type(error).__name__
        if not self._failures.is_due(text):
            return
        if isinstance(error, nats.errors.Error | OSError | asyncio.TimeoutError):
            log.warning("broker", error=text, address=self._address)
        else:
            log.error("broker", exc_info=error, address=self._address)

    def _drop_transport(self) -> None:
        """One whose TLS handshake failed never says that it has closed: the client waits for it.

        That is issue 718 of nats.py, open as of 2.16.
        """
        if (transport := self.client._transport) is not None:  # noqa: SLF001
            transport.close()  # type: ignore[no-untyped-call]
            self.client._transport = None  # noqa: SLF001

    async def _lost(self) -> None:
        self.connected.clear()
        if not self._closing:
            log.warning("lost the broker, reconnecting until it is back", address=self._address)

    async def _ended(self) -> None:
        self._closed.set()

    async def _found(self) -> None:
        RECONNECTS.inc()
        self._up()
        log.info("the broker is back", address=self._address)
        for act in self._reconnected:
            act()


def _must_be_declared(router: Router, keyword: str, types: Sequence[type[Any]]) -> None:
    """Said on a laptop too, where nobody's user keeps it from anything."""
    declared: tuple[type[Any], ...] = getattr(router, keyword)
    for cls in types:
        if cls not in declared:
            raise DeclarationError(
                f'{cls.__name__} is not declared: Router("{router.name}", '
                f"{keyword}=[{cls.__name__}])"
            )
