"""The carrier's HTTP API: asks once, tells an answer from none, and retries nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar

import aiohttp
import msgspec
from pydantic import AnyHttpUrl

from tallystick import PermanentError, TemporaryError
from tallystick.outside import address_of, client_span

BUSY = frozenset({408, 425, 429})
KEEP_ALIVE_S = 4  # below the 5 s after which many servers close: no call on a closing line


@dataclass(frozen=True, slots=True)
class Booked:
    """The carrier will collect the parcel, under this tracking number."""

    tracking: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The carrier will not take the parcel, for this reason and for good."""

    reason: str


@dataclass(frozen=True, slots=True)
class BookingCancelled:
    """The carrier will not collect the parcel any more."""


@dataclass(frozen=True, slots=True)
class CancellationRefused:
    """The carrier does not cancel the booking, for this reason."""

    reason: str


class NoAnswer(TemporaryError):
    """The carrier gave no answer to be trusted: the call may have taken effect or not."""


class _BookingAnswer(msgspec.Struct):
    reference: str
    outcome: Literal["booked", "refused"]
    tracking: str | None = None
    reason: str | None = None


class _CancellationAnswer(msgspec.Struct):
    reference: str
    outcome: Literal["cancelled", "refused"]
    reason: str | None = None


T = TypeVar("T", _BookingAnswer, _CancellationAnswer)


class Carrier:
    """The carrier at this URL, as an async context manager.

    A key stands for one call for ever: asking again under it is safe and gets the first
    answer. Every call raises NoAnswer if nothing to be trusted came within `timeout_s`,
    and PermanentError if the carrier says that the call itself is wrong.
    """

    _session: aiohttp.ClientSession

    def __init__(self, url: AnyHttpUrl | str, timeout_s: float = 2.0) -> None:
        self._url = f"{str(url).rstrip('/')}/carrier"
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S)
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def book(self, key: str, reference: str, address: Mapping[str, str]) -> Booked | Refused:
        """Have a parcel collected and brought to an address."""
        reply = await self._post("/bookings", key, {"reference": reference, "address": address})
        answer = reply.read(_BookingAnswer, reference)
        if answer.outcome == "refused":
            return Refused(_reason(answer))
        if not answer.tracking:
            raise NoAnswer(f"{reply.call}: booked, but without a tracking number")
        return Booked(answer.tracking)

    async def cancel(self, key: str, reference: str) -> BookingCancelled | CancellationRefused:
        """Cancel what was booked under this reference."""
        reply = await self._post("/cancellations", key, {"reference": reference})
        answer = reply.read(_CancellationAnswer, reference)
        if answer.outcome == "cancelled":
            return BookingCancelled()
        return CancellationRefused(_reason(answer))

    async def _post(self, path: str, key: str, body: dict[str, Any]) -> "_Reply":
        call = f"POST {address_of(self._url)}{path}"
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        try:
            with client_span("carrier", "POST") as span:
                async with self._session.post(
                    self._url + path,
                    data=msgspec.json.encode(body),
                    headers=headers | span.headers,
                    allow_redirects=False,
                ) as response:
                    span.status = response.status
                    reply = _Reply(call, response.status, await response.read())
        except (aiohttp.ClientError, OSError) as cause:  # a TimeoutError is an OSError
            raise NoAnswer(f"{call}: {cause!r}") from cause
        if reply.status >= 500 or reply.status in BUSY:
            raise NoAnswer(f"{call}: {reply.status} {reply.start}", delay=_delay(response))
        return reply


@dataclass(frozen=True, slots=True)
class _Reply:
    call: str
    status: int
    body: bytes

    @property
    def start(self) -> str:
        return self.body[:200].decode(errors="replace")

    def read(self, kind: type[T], reference: str) -> T:
        """Understand the body; one that is not what was asked for is no answer."""
        if self.status != 200:
            raise PermanentError(f"{self.call}: {self.status} {self.start}")
        try:
            answer = msgspec.json.decode(self.body, type=kind)
        except msgspec.DecodeError as cause:
            raise NoAnswer(f"{self.call}: {cause} in {self.start}") from cause
        if answer.reference != reference:
            raise NoAnswer(f"{self.call}: an answer about {answer.reference[:100]}")
        return answer


def _reason(answer: _BookingAnswer | _CancellationAnswer) -> str:
    return answer.reason or "no reason given"


def _delay(response: aiohttp.ClientResponse) -> float | None:
    after = response.headers.get("Retry-After", "")
    return min(float(after), 60.0) if after.isdecimal() else None
