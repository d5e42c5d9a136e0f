"""The payment provider's HTTP API: asks once, tells an answer from none, and retries nothing."""

from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from pydantic import AnyHttpUrl

from tallystick import PermanentError, TemporaryError
from tallystick.outside import address_of, client_span

BUSY = frozenset({408, 425, 429})
KEEP_ALIVE_S = 4  # below the 5 s after which many servers close: no call on a closing line


@dataclass(frozen=True, slots=True)
class Captured:
    """The provider has taken the money of this reference."""

    reference: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The provider will not take the money, for this reason and for good."""

    reason: str


@dataclass(frozen=True, slots=True)
class Refunded:
    """The provider has given the money back."""


@dataclass(frozen=True, slots=True)
class RefundRefused:
    """The provider will not give the money back, for this reason."""

    reason: str


class NoAnswer(TemporaryError):
    """The provider gave no answer to be trusted: the call may have taken effect or not."""


class _CaptureAnswer(msgspec.Struct):
    reference: str
    outcome: Literal["captured", "declined"]
    reason: str | None = None


class _RefundAnswer(msgspec.Struct):
    reference: str
    outcome: Literal["refunded", "refused"]
    reason: str | None = None


class _NotFound(msgspec.Struct):
    reference: str


T = TypeVar("T", _CaptureAnswer, _RefundAnswer, _NotFound)


class Provider:
    """The provider at this URL, as an async context manager.

    A key stands for one call for ever: asking again under it is safe and gets the first
    answer. Every call raises NoAnswer if nothing to be trusted came within `timeout_s`,
    and PermanentError if the provider says that the call itself is wrong. Amounts are in
    minor units of the currency.
    """

    _session: aiohttp.ClientSession

    def __init__(self, url: AnyHttpUrl | str, timeout_s: float = 2.0) -> None:
        self._url = f"{str(url).rstrip('/')}/provider"
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S)
        self._session = aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def capture(
        self, key: str, reference: str, amount: int, currency: str, token: str
    ) -> Captured | Declined:
        """Take money."""
        body = {"reference": reference, "amount": amount, "currency": currency, "token": token}
        reply = await self._post("/captures", key, body)
        return _captured(reply.read(_CaptureAnswer, reference))

    async def refund(
        self, key: str, reference: str, amount: int, currency: str
    ) -> Refunded | RefundRefused:
        """Give captured money back."""
        body = {"reference": reference, "amount": amount, "currency": currency}
        answer = (await self._post("/refunds", key, body)).read(_RefundAnswer, reference)
        return Refunded() if answer.outcome == "refunded" else RefundRefused(_reason(answer))

    async def find(self, reference: str) -> Captured | Declined | None:
        """Look up what became of a capture; None: not entered so far, a late call still may be."""
        reply = await self._ask("GET", f"/captures/{quote(reference, safe='')}", {})
        if reply.status == 404:
            reply.read(_NotFound, reference, status=404)
            return None
        return _captured(reply.read(_CaptureAnswer, reference))

    async def _post(self, path: str, key: str, body: dict[str, Any]) -> "_Reply":
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        return await self._ask("POST", path, headers, msgspec.json.encode(body))

    async def _ask(
        self, method: str, path: str, headers: dict[str, str], data: bytes | None = None
    ) -> "_Reply":
        call = f"{method} {address_of(self._url)}{path}"
        try:
            with client_span("provider", method) as span:
                async with self._session.request(
                    method,
                    self._url + path,
                    data=data,
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

    def read(self, kind: type[T], reference: str, status: int = 200) -> T:
        """Understand the body; one that is not what was asked for is no answer."""
        if self.status != status:
            raise PermanentError(f"{self.call}: {self.status} {self.start}")
        try:
            answer = msgspec.json.decode(self.body, type=kind)
        except msgspec.DecodeError as cause:
            raise NoAnswer(f"{self.call}: {cause} in {self.start}") from cause
        if answer.reference != reference:
            raise NoAnswer(f"{self.call}: an answer about {answer.reference[:100]}")
        return answer


def _captured(answer: _CaptureAnswer) -> Captured | Declined:
    if answer.outcome == "captured":
        return Captured(answer.reference)
    return Declined(_reason(answer))


def _reason(answer: _CaptureAnswer | _RefundAnswer) -> str:
    return answer.reason or "no reason given"


def _delay(response: aiohttp.ClientResponse) -> float | None:
    after = response.headers.get("Retry-After", "")
    return min(float(after), 60.0) if after.isdecimal() else None
