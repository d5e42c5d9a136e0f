"""The broker as a service's own code meets it: publish, read history, ask."""

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
    """What a handler or a route may do at the broker: what its service's router declares."""

    def __init__(self, connection: Connection, router: Router) -> None:
        self.connection = connection
        self._router = router

    @property
    def is_connected(self) -> bool:
        """Whether messages can flow now."""
        return self.connection.connected.is_set()

    def publish(self, message: Event | Job) -> Coroutine[Any, Any, None]:
        """Publishes a message without the outbox, for what needs no guarantee.

        Raises BrokerUnavailable (in doubt: it may have been stored), NotStored, InvalidMessage, or
        DeclarationError for a message of another service.
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
        """Events of one stream as they were said, in order; needs no durable and leaves none.

        `since` is a time or a sequence; without one it begins at the start. It ends at the
        stream's end, unless it follows. Raises BrokerUnavailable, Refused if there is no such
        stream, or DeclarationError for events that the router does not name.
        """
        _must_be_declared(self._router, "history", events)
        declared = [message_type(event) for event in events]
        if len({one.stream for one in declared}) != 1:
            raise DeclarationError("a history is of events of one stream")
        subjects = [one.subjects for one in declared]
        return read_history(
            self.connection, declared[0].stream, subjects, since=since, follow=follow
        )

    async def request(self, request: Request[R], *, within: float) -> R:
        """Asks another service; `within` is in seconds.

        Raises RequestFailed: at once if nobody answers such requests, when time is up, or with
        the error there; RequestRefused if that would be the same again. Raises DeclarationError
        for one that the router does not name.
        """
        _must_be_declared(self._router, "requests", [type(request)])
        if not self.is_connected:
            raise RequestFailed("not connected to the broker")
        return await ask(self.connection.client, request, within)


def _must_be_declared(router: Router, keyword: str, types: Sequence[type[Any]]) -> None:
    """Said on a laptop too, where nobody's user keeps it from anything."""
    declared: tuple[type[Any], ...] = getattr(router, keyword)
    for cls in types:
        message_type(cls)  # a list of them is none
        if cls not in declared:
            raise DeclarationError(
                f'{cls.__name__} is not declared: Router("{router.name}", '
                f"{keyword}=[{cls.__name__}])"
            )
