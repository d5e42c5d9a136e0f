"""The provider's client tells an answer from none, whatever comes back."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import pytest

from payments.provider import Captured, Declined, NoAnswer, Provider, Refunded, RefundRefused
from tallystick import PermanentError

CAPTURED = {"reference": "o1", "outcome": "captured", "reason": None}
DECLINED = {"reference": "o1", "outcome": "declined", "reason": "card_declined"}
Writer = asyncio.StreamWriter


def http(status: int, body: Any, *headers: str) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


@asynccontextmanager
async def provider(
    reply: bytes | Callable[[Writer], None], seconds: float = 5.0
) -> AsyncIterator[tuple[Provider, list[str]]]:
    """A client and the requests that reached its server, which replies with these bytes."""
    requests: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next((line for line in head.splitlines() if "Content-Length" in line), ":0")
        requests.append(head + (await reader.readexactly(int(length.split(":")[1]))).decode())
        if isinstance(reply, bytes):
            writer.write(reply)
        else:
            reply(writer)
            await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with Provider(f"http://127.0.0.1:{port}", seconds) as client:
            yield client, requests


def silence(_: Writer) -> None:
    """Let the caller wait until it hangs up."""


async def capture(client: Provider) -> Captured | Declined:
    return await client.capture("key-1", "o1", 1299, "EUR", "tok_visa")


def reset(writer: Writer) -> None:
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, linger)
    writer.transport.abort()


async def test_a_capture_sends_its_key_and_its_body() -> None:
    async with provider(http(200, CAPTURED)) as (client, requests):
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
    async with provider(http(200, DECLINED)) as (client, _):
        assert await capture(client) == Declined("card_declined")


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [("refunded", Refunded()), ("refused", RefundRefused("no reason given"))],
)
async def test_a_refund_is_confirmed_or_refused(
    outcome: str, expected: Refunded | RefundRefused
) -> None:
    async with provider(http(200, {"reference": "o1", "outcome": outcome})) as (client, _):
        assert await client.refund("key-1", "o1", 1299, "EUR") == expected


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (http(200, CAPTURED), Captured("o1")),
        (http(200, DECLINED), Declined("card_declined")),
        (http(404, {"title": "No capture", "reference": "o1"}), None),
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
    async with provider(http(404, body)) as (client, _):
        with pytest.raises(NoAnswer, match=r"GET .*/captures/o1"):
            await client.find("o1")


@pytest.mark.parametrize(
    "reply",
    [
        http(500, b"oops"),
        http(502, b"<html>"),
        http(503, {"title": "Unavailable"}),
        http(429, b""),
        http(408, b""),
        http(200, b""),
        http(200, b"<html>It works!</html>"),
        http(200, b"\xff\xfe"),
        http(200, []),
        http(200, {"outcome": "captured"}),
        http(200, {**CAPTURED, "outcome": "maybe"}),
        http(200, {**CAPTURED, "reference": "o2"}),
        http(200, {**CAPTURED, "reference": None}),
        http(200, CAPTURED)[:-9],
        b"",
        b"what is HTTP?\r\n\r\n",
        reset,
    ],
)
async def test_what_cannot_be_trusted_is_no_answer(reply: bytes | Callable[[Writer], None]) -> None:
    async with provider(reply) as (client, requests):
        with pytest.raises(NoAnswer, match=r"POST .*/provider/captures: "):
            await capture(client)
    assert len(requests) == 1, "a client that retries by itself hides a second call"


async def test_silence_is_no_answer_after_the_timeout() -> None:
    async with provider(silence, seconds=0.05) as (client, _):
        with pytest.raises(NoAnswer, match="TimeoutError"):
            await capture(client)


async def test_nobody_there_is_no_answer() -> None:
    async with provider(b"") as (client, _):
        pass
    async with client:
        with pytest.raises(NoAnswer, match="Connect"):
            await capture(client)


@pytest.mark.parametrize(
    ("header", "delay"), [("Retry-After: 3", 3), ("Retry-After: soon", None), ("X: y", None)]
)
async def test_a_busy_provider_says_when_to_come_back(header: str, delay: float | None) -> None:
    async with provider(http(429, b"", header)) as (client, _):
        with pytest.raises(NoAnswer) as no_answer:
            await capture(client)
    assert no_answer.value.delay == delay


@pytest.mark.parametrize("status", [301, 400, 401, 404, 422])
async def test_a_call_that_is_wrong_itself_is_permanent(status: int) -> None:
    async with provider(http(status, {"title": "No"}, "Location: /elsewhere")) as (client, _):
        with pytest.raises(PermanentError, match=f'captures: {status} {{"title": "No"}}'):
            await capture(client)
