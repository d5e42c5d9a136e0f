"""A client of the outside world tells an answer from none, and both from a refusal."""

import asyncio
import json
import struct
from collections.abc import Callable
from contextlib import asynccontextmanager
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, Literal

import msgspec
import pytest

from tallystick import PermanentError, TemporaryError
from tallystick.errors import PartnerUnavailable
from tallystick.outside import Answer, CallRefused, Client, NoAnswer
from tallystick.testing import http_reply, outsider

PAID = {"reference": "o1", "outcome": "paid"}
Writer = asyncio.StreamWriter


class Outcome(msgspec.Struct):
    reference: str
    outcome: Literal["paid", "declined"]


async def ask(client: Client, **about: Any) -> Answer:
    return await client.post("/payments", {"amount": 1299}, key="key-1", **about)


async def read(client: Client) -> Outcome:
    return (await ask(client)).read(Outcome, reference="o1")


def silence(_: Writer) -> None:
    """Let the caller wait until it hangs up."""


def reset(writer: Writer) -> None:
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, linger)
    writer.transport.abort()


@asynccontextmanager
async def bank(reply: bytes | Callable[[Writer], None], seconds: float = 5.0) -> Any:
    """A client and the requests that reached its server, which replies with this."""
    async with outsider(reply) as server, Client("bank", server.url, timeout_s=seconds) as client:
        yield client, server.requests


async def test_a_call_carries_its_key_its_trace_and_its_body() -> None:
    async with bank(http_reply(200, PAID)) as (client, requests):
        assert await read(client) == Outcome("o1", "paid")
    head, _, body = requests[0].partition("\r\n\r\n")
    assert head.startswith("POST /payments HTTP/1.1")
    assert "Idempotency-Key: key-1" in head
    assert "traceparent: 00-" in head
    assert json.loads(body) == {"amount": 1299}


async def test_a_question_carries_no_key_and_no_body() -> None:
    async with bank(http_reply(200, PAID)) as (client, requests):
        await client.get("/payments/o1")
    assert requests[0].startswith("GET /payments/o1 HTTP/1.1")
    assert "Idempotency-Key" not in requests[0]
    assert requests[0].endswith("\r\n\r\n")


async def test_a_status_that_the_caller_understands_is_an_answer() -> None:
    async with bank(http_reply(404, PAID)) as (client, _):
        assert (await client.get("/payments/o1", answers=(200, 404))).status == 404
        with pytest.raises(CallRefused):
            await client.get("/payments/o1")


@pytest.mark.parametrize(
    "reply",
    [
        http_reply(500, b"oops"),
        http_reply(502, b"<html>"),
        http_reply(503, {"title": "Unavailable"}),
        http_reply(408, b""),
        http_reply(401, {"title": "No such key"}),
        http_reply(403, b""),
        http_reply(425, b""),
        http_reply(429, b""),
        http_reply(200, b""),
        http_reply(200, b"<html>It works!</html>"),
        http_reply(200, b"\xff\xfe"),
        http_reply(200, []),
        http_reply(200, {"outcome": "paid"}),
        http_reply(200, {**PAID, "outcome": "maybe"}),
        http_reply(200, {**PAID, "reference": "o2"}),
        http_reply(200, {**PAID, "reference": None}),
        http_reply(200, PAID)[:-9],
        b"",
        b"what is HTTP?\r\n\r\n",
        reset,
    ],
)
async def test_what_cannot_be_trusted_is_no_answer(reply: bytes | Callable[[Writer], None]) -> None:
    async with bank(reply) as (client, requests):
        with pytest.raises(NoAnswer, match=r"POST .*/payments: ") as no_answer:
            await read(client)
    assert len(requests) == 1, "a client that retries by itself hides a second call"
    assert isinstance(no_answer.value, TemporaryError)


async def test_silence_is_no_answer_after_the_timeout() -> None:
    async with bank(silence, seconds=0.05) as (client, _):
        with pytest.raises(NoAnswer, match="TimeoutError"):
            await ask(client)


async def test_nobody_there_is_no_answer() -> None:
    async with bank(b"") as (client, _):
        pass
    async with client:
        with pytest.raises(NoAnswer, match="Connect"):
            await ask(client)


@pytest.mark.parametrize(
    ("header", "delay"),
    [("Retry-After: 3", 3), ("Retry-After: 3600", 60), ("Retry-After: soon", None), ("X: y", None)],
)
async def test_one_that_is_busy_says_when_to_come_back(header: str, delay: float | None) -> None:
    async with bank(http_reply(429, b"", header)) as (client, _):
        with pytest.raises(NoAnswer) as no_answer:
            await ask(client)
    assert no_answer.value.delay == delay


@pytest.mark.parametrize("status", [202, 301, 400, 404, 422])
async def test_a_call_that_is_wrong_itself_is_refused(status: int) -> None:
    async with bank(http_reply(status, {"title": "No"}, "Location: /elsewhere")) as (client, _):
        with pytest.raises(CallRefused, match=f"payments: {status} ") as refused:
            await ask(client)
    assert isinstance(refused.value, PermanentError)


async def test_a_refusal_shows_what_was_said_but_not_all_of_it() -> None:
    async with bank(http_reply(400, b"no" * 10_000)) as (client, _):
        with pytest.raises(CallRefused) as refused:
            await ask(client)
    assert 200 < len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("status", "away"),
    [(401, True), (403, True), (408, True), (500, True), (503, True), (425, False), (429, False)],
)
async def test_only_a_partner_that_does_not_serve_us_is_away(status: int, away: bool) -> None:
    async with bank(http_reply(status, b"")) as (client, _):
        with pytest.raises(NoAnswer) as no_answer:
            await ask(client)
    assert isinstance(no_answer.value, PartnerUnavailable) is away
