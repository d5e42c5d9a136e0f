"""The carrier's client tells an answer from none, whatever comes back."""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import pytest

from shipping.carrier import (
    Booked,
    BookingCancelled,
    CancellationRefused,
    Carrier,
    NoAnswer,
    Refused,
)
from tallystick import PermanentError

BOOKED = {"reference": "o1", "outcome": "booked", "tracking": "T1", "reason": None}
REFUSED = {"reference": "o1", "outcome": "refused", "tracking": None, "reason": "too_far"}
CANCELLED = {"reference": "o1", "outcome": "cancelled", "tracking": "T1", "reason": None}
Writer = asyncio.StreamWriter


def http(status: int, body: Any, *headers: str) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


@asynccontextmanager
async def carrier(
    reply: bytes | Callable[[Writer], None], seconds: float = 5.0
) -> AsyncIterator[tuple[Carrier, list[str]]]:
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
        async with Carrier(f"http://127.0.0.1:{port}", seconds) as client:
            yield client, requests


def silence(_: Writer) -> None:
    """Let the caller wait until it hangs up."""


def reset(writer: Writer) -> None:
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, linger)
    writer.transport.abort()


async def book(client: Carrier) -> Booked | Refused:
    return await client.book("key-1", "o1", {"street": "1 Mill Lane"})


async def test_a_booking_sends_its_key_and_its_body() -> None:
    async with carrier(http(200, BOOKED)) as (client, requests):
        assert await book(client) == Booked("T1")
    head, _, body = requests[0].partition("\r\n\r\n")
    assert head.startswith("POST /carrier/bookings HTTP/1.1")
    assert "Idempotency-Key: key-1" in head
    assert json.loads(body) == {"reference": "o1", "address": {"street": "1 Mill Lane"}}


async def test_a_refusal_is_an_answer() -> None:
    async with carrier(http(200, REFUSED)) as (client, _):
        assert await book(client) == Refused("too_far")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(CANCELLED, BookingCancelled()), (REFUSED, CancellationRefused("too_far"))],
)
async def test_a_cancellation_is_confirmed_or_refused(
    answer: dict[str, Any], expected: BookingCancelled | CancellationRefused
) -> None:
    async with carrier(http(200, answer)) as (client, requests):
        assert await client.cancel("key-2", "o1") == expected
    assert requests[0].startswith("POST /carrier/cancellations ")
    assert requests[0].endswith('{"reference":"o1"}')


@pytest.mark.parametrize(
    "reply",
    [
        http(500, b"oops"),
        http(503, {"title": "Unavailable"}),
        http(429, b""),
        http(200, b""),
        http(200, b"<html>It works!</html>"),
        http(200, []),
        http(200, CANCELLED),
        http(200, {**BOOKED, "tracking": None}),
        http(200, {**BOOKED, "tracking": ""}),
        http(200, {**BOOKED, "reference": "o2"}),
        http(200, BOOKED)[:-9],
        b"",
        b"what is HTTP?\r\n\r\n",
        reset,
    ],
)
async def test_what_cannot_be_trusted_is_no_answer(reply: bytes | Callable[[Writer], None]) -> None:
    async with carrier(reply) as (client, requests):
        with pytest.raises(NoAnswer, match=r"POST .*/carrier/bookings: "):
            await book(client)
    assert len(requests) == 1, "a client that retries by itself hides a second call"


async def test_silence_is_no_answer_after_the_timeout() -> None:
    async with carrier(silence, seconds=0.05) as (client, _):
        with pytest.raises(NoAnswer, match="TimeoutError"):
            await book(client)


async def test_a_busy_carrier_says_when_to_come_back() -> None:
    async with carrier(http(429, b"", "Retry-After: 3")) as (client, _):
        with pytest.raises(NoAnswer) as no_answer:
            await book(client)
    assert no_answer.value.delay == 3


@pytest.mark.parametrize("status", [301, 400, 401, 404, 422])
async def test_a_call_that_is_wrong_itself_is_permanent(status: int) -> None:
    async with carrier(http(status, {"title": "No"}, "Location: /elsewhere")) as (client, _):
        with pytest.raises(PermanentError, match=f'bookings: {status} {{"title": "No"}}'):
            await book(client)
