"""An HTTP client for effects: it makes each call once and classifies how the call ended."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING, Final, Self

import msgspec

from tallystick._addresses import address_of
from tallystick._requirements import require
from tallystick.outside._answer import Answer, CallRefused, NoAnswer, Unavailable
from tallystick.outside._span import client_span

if TYPE_CHECKING:
    import aiohttp

OK: Final = (200,)
NOT_YET: Final = frozenset({425, 429})
NOT_SERVED: Final = frozenset({401, 403, 408})  # such as for an expired key: no fault of the call
KEEP_ALIVE_S: Final = 4  # many servers close an idle connection after 5 s: no call may meet that
LONGEST_DELAY_S: Final = 60.0


class Client:
    """A client of one outside HTTP API: an async context manager and a resource of `service()`.

    Make a subclass for each API: handlers name it as a parameter's type, and its methods turn
    answers into your own values. `name` is the API's name in metrics and spans; `timeout_s` is how
    long a whole call may take. The number of pooled connections has no limit of its own, because
    the slots of effects limit it.

    Every call ends in one of three ways. It returns an Answer. Or it raises NoAnswer, a
    TemporaryError, if it may have taken effect or not: no connection, a timeout, a broken
    connection, a status of 5xx, 401, 403, 408, 425 or 429 (with the delay of its `Retry-After` in
    seconds, at most 60). All of these except 425, 429 and an answer that cannot be read are
    Unavailable, which is also a PartnerUnavailable: many in a row open the circuit. Or it raises
    CallRefused, a PermanentError, for any other status that is not in `answers`. No call is
    retried, and redirects are not followed. The constructor raises MissingExtra if the extra
    `outside` is not installed.
    """

    _session: aiohttp.ClientSession

    def __init__(self, name: str, url: str, *, timeout_s: float = 2.0) -> None:
        require("tallystick.outside.Client", "outside")
        import aiohttp  # noqa: PLC0415  # of an extra

        self._name = name
        self._url = url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def __aenter__(self) -> Self:
        import aiohttp  # noqa: PLC0415  # of an extra

        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S)
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(
        self, path: str, body: object, *, key: str, answers: Container[int] = OK
    ) -> Answer:
        """Send a POST; `body` is any value that msgspec encodes as JSON.

        `key` is sent as Idempotency-Key and identifies this one call for ever. Take it from your
        own record, so that a later attempt makes the call under the same key.
        """
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        return await self._ask("POST", path, answers, headers, msgspec.json.encode(body))

    async def get(self, path: str, *, answers: Container[int] = OK) -> Answer:
        """Send a GET; percent-encode what you put into the path."""
        return await self._ask("GET", path, answers, {})

    async def _ask(
        self,
        method: str,
        path: str,
        answers: Container[int],
        headers: Mapping[str, str],
        data: bytes | None = None,
    ) -> Answer:
        answer, retry_after = await self._send(method, path, headers, data)
        if answer.status in answers:
            return answer
        reason = f"{answer.call}: {answer.status} {answer.start}"
        if answer.status in NOT_YET:
            raise NoAnswer(reason, delay=_delay(retry_after))
        if answer.status >= 500 or answer.status in NOT_SERVED:
            raise Unavailable(reason, delay=_delay(retry_after))
        raise CallRefused(reason)

    async def _send(
        self, method: str, path: str, headers: Mapping[str, str], data: bytes | None
    ) -> tuple[Answer, str]:
        """Return the answer and its Retry-After; raise Unavailable if no complete answer came."""
        import aiohttp  # noqa: PLC0415  # of an extra

        call = f"{method} {address_of(self._url)}{path}"
        try:
            with client_span(self._name, method) as span:
                carried = {**headers, **span.headers}
                async with self._session.request(
                    method, self._url + path, data=data, headers=carried, allow_redirects=False
                ) as response:
                    span.status = response.status
                    answer = Answer(call, response.status, await response.read())
                    return answer, response.headers.get("Retry-After", "")
        except (aiohttp.ClientError, OSError) as cause:  # a TimeoutError is an OSError
            raise Unavailable(f"{call}: {_reason(cause)}") from cause


def _reason(cause: BaseException) -> str:
    """Return why no answer came.

    Of a broken answer only `message` is used, because the full text repeats our own headers.
    """
    text = getattr(cause, "message", None) or str(cause)
    return f"{type(cause).__name__} {text}".rstrip()


def _delay(retry_after: str) -> float | None:
    return min(float(retry_after), LONGEST_DELAY_S) if retry_after.isdecimal() else None
