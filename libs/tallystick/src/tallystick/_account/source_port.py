"""Asks a source over the broker: the `SourcePort` of a look."""

from __future__ import annotations

from typing import TypeVar

import msgspec
import structlog

from tallystick._account.protocol import AccountAnswer, AccountRequest, subject
from tallystick._broker.requests import Requests
from tallystick.limiter import Limiter

log = structlog.get_logger()

Answer = TypeVar("Answer", bound=AccountAnswer)
ANSWER_WITHIN = 5.0  # seconds
NOBODY = b"NATS/1.0 503"


class Source:
    """A source, as one of its readers asks it."""

    def __init__(self, requests: Requests, source: str, asker: str) -> None:
        self._requests = requests
        self._source = source
        self._asker = asker
        self._wrong = Limiter()

    async def ask(self, request: AccountRequest, answer: type[Answer]) -> Answer | None:
        """Return the answer; None if nobody gives one in time, or one that cannot be read.

        Raises BrokerUnavailable.
        """
        to, body = subject(self._source, self._asker, request), msgspec.json.encode(request)
        try:
            headers, answered = await self._requests.send(to, b"", body, ANSWER_WITHIN)
            if headers.startswith(NOBODY):
                return None
            return msgspec.json.decode(answered, type=answer)
        except TimeoutError:
            return None
        except msgspec.MsgspecError as error:
            if self._wrong.is_due(self._source):
                log.warning("account answer unreadable", source=self._source, error=str(error))
            return None
