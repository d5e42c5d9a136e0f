"""The carrier's client says what its answers mean, and takes no other for one."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from shipping.carrier import Booked, BookingCancelled, CancellationRefused, Carrier, Refused
from tallystick.outside import CallRefused, NoAnswer
from tallystick.testing import http_reply, outsider

BOOKED = {"reference": "o1", "outcome": "booked", "tracking": "T1", "reason": None}
REFUSED = {"reference": "o1", "outcome": "refused", "tracking": None, "reason": "too_far"}
CANCELLED = {"reference": "o1", "outcome": "cancelled", "tracking": "T1", "reason": None}


@asynccontextmanager
async def carrier(reply: bytes) -> AsyncIterator[tuple[Carrier, list[str]]]:
    """A client and the requests that reached its server, which replies with these bytes."""
    async with outsider(reply) as server, Carrier(server.url) as client:
        yield client, server.requests


async def book(client: Carrier) -> Booked | Refused:
    return await client.book("key-1", "o1", {"street": "1 Mill Lane"})


async def test_a_booking_sends_its_key_and_its_body() -> None:
    async with carrier(http_reply(200, BOOKED)) as (client, requests):
        assert await book(client) == Booked("T1")
    head, _, body = requests[0].partition("\r\n\r\n")
    assert head.startswith("POST /carrier/bookings HTTP/1.1")
    assert "Idempotency-Key: key-1" in head
    assert json.loads(body) == {"reference": "o1", "address": {"street": "1 Mill Lane"}}


async def test_a_refusal_is_an_answer() -> None:
    async with carrier(http_reply(200, REFUSED)) as (client, _):
        assert await book(client) == Refused("too_far")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(CANCELLED, BookingCancelled()), (REFUSED, CancellationRefused("too_far"))],
)
async def test_a_cancellation_is_confirmed_or_refused(
    answer: dict[str, Any], expected: BookingCancelled | CancellationRefused
) -> None:
    async with carrier(http_reply(200, answer)) as (client, requests):
        assert await client.cancel("key-2", "o1") == expected
    assert requests[0].startswith("POST /carrier/cancellations ")
    assert requests[0].endswith('{"reference":"o1"}')


@pytest.mark.parametrize(
    "body",
    [
        CANCELLED,
        {**BOOKED, "tracking": None},
        {**BOOKED, "tracking": ""},
        {**BOOKED, "reference": "o2"},
    ],
)
async def test_what_does_not_speak_of_the_booking_is_no_answer(body: Any) -> None:
    async with carrier(http_reply(200, body)) as (client, _):
        with pytest.raises(NoAnswer, match=r"POST .*/carrier/bookings: "):
            await book(client)


async def test_a_booking_that_is_wrong_itself_is_refused() -> None:
    async with carrier(http_reply(422, {"title": "No"})) as (client, _):
        with pytest.raises(CallRefused, match=r'bookings: 422 {"title": "No"}'):
            await book(client)
