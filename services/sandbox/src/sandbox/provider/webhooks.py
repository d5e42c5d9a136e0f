"""Webhooks of the simulated provider: each new entry of its ledger is sent to a subscriber.

An entry is sent once or more often, in no order, by a POST that is signed as in
`sandbox.provider.signature`, with the same `webhook-id` at every attempt:

    {"type": "capture.captured", "timestamp": "2026-11-25T09:00:00.000+00:00",
     "data": {"reference": "...", "amount": 1299, "currency": "EUR", "reason": null}}

The types are `capture.captured`, `capture.declined`, `refund.refunded` and `refund.refused`.
It is sent a moment after the answer, as from a queue. If the subscriber does not answer 2xx, it is
sent again after longer and longer pauses of up to a minute, for about ten minutes. A webhook is
stored with its entry, so that a restart loses none.
"""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Self

import aiohttp
import msgspec
from pydantic import AnyHttpUrl, SecretStr

from sandbox.mishaps import Mishap
from sandbox.provider import signature
from sandbox.provider.domain import Entry
from tallystick import Effect
from tallystick.outside import client_span

LEAVES_AFTER_S = 0.3
ATTEMPTS = 16
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 60.0
ANSWERED_WITHIN_S = 5.0


class Webhook(Effect, name="sandbox.webhook", version=1, key="id"):
    """Send an entry to the subscriber; `asked` is the mishap that the caller asked for."""

    id: str
    type: str
    entered_at: datetime
    reference: str
    amount: int
    currency: str
    reason: str | None = None
    asked: Mishap | None = None


class Unheard(Exception):
    """The subscriber did not answer 2xx."""


class Subscriber:
    """The subscriber, as an async context manager; without a URL there is none."""

    _session: aiohttp.ClientSession

    def __init__(self, url: AnyHttpUrl | None, secret: SecretStr | None) -> None:
        self._url = str(url) if url and secret else None
        self._key = signature.key(secret.get_secret_value()) if secret else b""

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=ANSWERED_WITHIN_S)
        self._session = aiohttp.ClientSession(timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    def is_told(self, entry: Entry, asked: Mishap | None = None) -> Iterable[Webhook]:
        """Return the webhook to store with an entry, if there is a subscriber."""
        return (announced(entry, datetime.now(UTC), asked),) if self._url else ()

    async def tell(self, webhook: Webhook) -> None:
        """Send a webhook once; raise Unheard."""
        if self._url is None:
            return  # since it was stored, the subscriber was removed from the settings
        body = content(webhook)
        signed = signature.headers(self._key, webhook.id, int(time.time()), body)
        headers = {"Content-Type": "application/json", **signed}
        try:
            with client_span("subscriber", "POST") as span:
                async with self._session.post(
                    self._url, data=body, headers=headers | span.headers, allow_redirects=False
                ) as response:
                    span.status = response.status
                    answer = await response.content.read(200)
        except (aiohttp.ClientError, OSError) as cause:  # a TimeoutError is an OSError
            raise Unheard(repr(cause)) from cause
        if not 200 <= response.status < 300:
            raise Unheard(f"{response.status} {answer.decode(errors='replace')}")


def announced(entry: Entry, at: datetime, asked: Mishap | None) -> Webhook:
    """Return the webhook of an entry; each entry has one, so its id is made of the entry's key."""
    return Webhook(
        id=f"msg_{blake2b(entry.key.encode(), digest_size=16).hexdigest()}",
        type=f"{entry.call}.{entry.outcome}",
        entered_at=at,
        reference=entry.reference,
        amount=entry.amount,
        currency=entry.currency,
        reason=entry.reason,
        asked=asked,
    )


def content(webhook: Webhook) -> bytes:
    """Return the body, which is signed and the same bytes at every attempt."""
    return msgspec.json.encode(
        {
            "type": webhook.type,
            "timestamp": webhook.entered_at.isoformat(timespec="milliseconds"),
            "data": {
                "reference": webhook.reference,
                "amount": webhook.amount,
                "currency": webhook.currency,
                "reason": webhook.reason,
            },
        }
    )


def pause(attempt: int) -> float | None:
    """Return the seconds to wait after a failed attempt, counted from 1; None after the last."""
    if attempt >= ATTEMPTS:
        return None
    return min(FIRST_PAUSE_S * 2.0 ** (attempt - 1), LONGEST_PAUSE_S)
