"""The provider's client says what its answers mean, and takes no other for one."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from payments.provider import Captured, Declined, Provider, Refunded, RefundRefused
from tallystick.outside import CallRefused, NoAnswer
from tallystick.testing import http_reply, outsider

CAPTURED = {"reference": "o1", "outcome": "captured", "reason": None}
DECLINED = {"reference": "o1", "outcome": "declined", "reason": "card_declined"}


@asynccontextmanager
async def provider(reply: bytes) -> AsyncIterator[tuple[Provider, list[str]]]:
    """A client and the requests that reached its server, which replies with these bytes."""
    async with outsider(reply) as server, Provider(server.url) as client:
        yield client, server.requests


async def capture(client: Provider) -> Captured | Declined:
    return await client.capture("key-1", "o1", 1299, "EUR", "tok_visa")


async def test_a_capture_sends_its_key_and_its_body() -> None:
    async with provider(http_reply(200, CAPTURED)) as (client, requests):
        assert await capture(client) == Captured("o1")
    head, _, body = requests[0].partition("\r\n\r\n")
    assert head.startswith("POST /provider/captures HTTP/1.1")
    assert "Idempotency-Key: key-1" in head
    assert json.loads(body) == {
        "reference": "o1",
        "amount": 1299,
        "currency": "EUR",
        "token": "tok_visa",
    }


async def test_a_decline_is_an_answer() -> None:
    async with provider(http_reply(200, DECLINED)) as (client, _):
        assert await capture(client) == Declined("card_declined")


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [("refunded", Refunded()), ("refused", RefundRefused("no reason given"))],
)
async def test_a_refund_is_confirmed_or_refused(
    outcome: str, expected: Refunded | RefundRefused
) -> None:
    async with provider(http_reply(200, {"reference": "o1", "outcome": outcome})) as (client, _):
        assert await client.refund("key-1", "o1", 1299, "EUR") == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (http_reply(200, CAPTURED), Captured("o1")),
        (http_reply(200, DECLINED), Declined("card_declined")),
        (http_reply(404, {"title": "No capture", "reference": "o1"}), None),
    ],
)
async def test_a_capture_is_found_by_its_reference(
    reply: bytes, expected: Captured | Declined | None
) -> None:
    async with provider(reply) as (client, requests):
        assert await client.find("o1") == expected
    assert requests[0].startswith("GET /provider/captures/o1 ")


@pytest.mark.parametrize("body", [b"no such page", {"detail": "Not Found"}, {"reference": "o2"}])
async def test_a_404_that_does_not_speak_of_the_reference_is_no_answer(body: Any) -> None:
    async with provider(http_reply(404, body)) as (client, _):
        with pytest.raises(NoAnswer, match=r"GET .*/captures/o1"):
            await client.find("o1")


@pytest.mark.parametrize(
    "body",
    [
        {"outcome": "captured"},
        {**CAPTURED, "outcome": "refunded"},
        {**CAPTURED, "reference": "o2"},
        {**CAPTURED, "reference": None},
    ],
)
async def test_what_does_not_speak_of_the_capture_is_no_answer(body: Any) -> None:
    async with provider(http_reply(200, body)) as (client, _):
        with pytest.raises(NoAnswer, match=r"POST .*/provider/captures: "):
            await capture(client)


async def test_a_capture_that_is_wrong_itself_is_refused() -> None:
    async with provider(http_reply(422, {"title": "No"})) as (client, _):
        with pytest.raises(CallRefused, match=r'captures: 422 {"title": "No"}'):
            await capture(client)
