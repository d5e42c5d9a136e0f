"""The broker for a service's own code: publish, read history, send requests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, TypeVar

from tallystick._broker.connection import Connection
from tallystick._broker.history import Recorded, Start, read_history
from tallystick._broker.publisher import Publication
from tallystick._broker.requesting import ask
from tallystick._messages.envelope import wire_headers
from tallystick._messages.message import Event, Job, Request, message_type
from tallystick._messages.outgoing import publishable
from tallystick._messages.router import Router
from tallystick._telemetry.awaiting import Call
from tallystick.errors import DeclarationError, RequestFailed

R = TypeVar("R")


class Broker:
    """The broker for handlers and routes; it allows what the service's router declares."""

    def __init__(self, connection: Connection, router: Router) -> None:
        self.connection = connection
        self._router = router

    @property
    def is_connected(self) -> bool:
        """Whether messages can flow now."""
        return self.connection.connected.is_set()

    def publish(self, message: Event | Job) -> Coroutine[Any, Any, None]:
        """Publish a message without the outbox, where no guarantee is needed.

        Raises BrokerUnavailable (in doubt: the message may have been stored), NotStored,
        InvalidMessage, or DeclarationError for a message of another service.
        """
        return self._publish(Call("broker.publish"), message)

    async def _publish(self, call: Call, message: Event | Job) -> None:
        call.begun = True
        row = publishable(self._router.name, message, None, self.connection.wire.max_payload)
        headers = wire_headers(row, self._router.name)
        await self.connection.publisher.store(Publication(row.subject, headers, row.body))

    def history(
        self, *events: type[Event], since: Start = None, follow: bool = False
    ) -> AsyncIterator[Recorded]:
        """Yield events of one stream as they were published, in order; uses no durable.

        `since` is a time or a sequence; without it, reading begins at the stream's start. Reading
        ends at the stream's end, unless `follow` is true. Raises BrokerUnavailable, Refused if the
        stream does not exist, or DeclarationError for events that the router does not declare.
        """
        _must_be_declared(self._router, "history", events)
        declared = [message_type(event) for event in events]
        if len({one.stream for one in declared}) != 1:
            raise DeclarationError("history() reads events of one stream: call it once per stream")
        subjects = [one.subjects for one in declared]
        return read_history(
            self.connection, declared[0].stream, subjects, since=since, follow=follow
        )

    async def request(self, request: Request[R], *, within: float) -> R:
        """Send a request to another service and return its answer; `within` is in seconds.

        Raises RequestFailed: at once if no service answers such requests, when the time is up, or
        with the error of the service that answers. Raises RequestRefused if the same request would
        be refused again, InvalidMessage for one that cannot be sent, and DeclarationError for one
        that the router does not declare.
        """
        _must_be_declared(self._router, "requests", [type(request)])
        if not self.is_connected:
            raise RequestFailed("not connected to the broker")
        return await ask(self.connection, request, within)


def _must_be_declared(router: Router, keyword: str, types: Sequence[type[Any]]) -> None:
    """Raise DeclarationError for an undeclared type.

    The broker would refuse it by the service's permissions; on a laptop there are none.
    """
    declared: tuple[type[Any], ...] = getattr(router, keyword)
    for cls in types:
        message_type(cls)  # refuses what is no message class, such as a list of classes
        if cls not in declared:
            raise DeclarationError(
                f'{cls.__name__} is not declared: Router("{router.name}", '
                f"{keyword}=[{cls.__name__}])"
            )
