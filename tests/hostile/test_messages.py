"""Whatever is published: a dead letter with its reason, or held; nobody else is kept waiting."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TypeVar

import pytest

from shipping.facts import PrintLabel
from tallystick import Event, Job
from tallystick._broker.requesting import WITHIN  # inside: a hostile wait
from tallystick._messages.envelope import parse_headers  # inside: headers as the wire has them
from tallystick._messages.message import message_type  # inside: the types of what is injected
from tallystick.testing.snapshots import messages_of
from tallystick.topology import Durable, declared, lag
from tallystick_contracts.shipping import ShippingQuote
from tallystick_local.services import MESSAGING
from tests.hostile.enemy import Enemy, enemy_of
from tests.hostile.messages import DEADLINES, NOWHERE, QUESTIONS, Hostile, hostile
from tests.order import until
from tests.platform import TIMES, Platform

T = TypeVar("T")
QUOTE = message_type(ShippingQuote).requested_by("enemy")
EVENTS = [cls for cls in messages_of("tallystick_contracts") if issubclass(cls, Event)]
WHAT_BECAME = """select stream_sequence, state, reason, error_type from tallystick.deferred
where durable = $1 and stream = $2"""
LETTERS = "select subject, headers, sent_at from tallystick.outbox where subject like $1"
VERDICTS = {
    "schema": ("dead", "schema", "InvalidMessage"),
    "held": ("waiting", None, "UnknownType"),
}


@pytest.fixture
async def enemy(platform: Platform) -> AsyncIterator[Enemy]:
    async with enemy_of(platform.broker.url) as enemy:
        yield enemy


def durables(platform: Platform, message: type[Event | Job]) -> list[tuple[str, str]]:
    """The services and their durables that read it."""
    return [
        (name, binding.durable)
        for name in MESSAGING
        for binding in platform.runtime(name).parts.router.bindings.values()
        if message in binding.types
    ]


async def became(platform: Platform, service: str, durable: str, stream: str) -> dict[int, object]:
    """What this durable's service has held, by its sequence in the stream."""
    rows = await platform.database(service).fetch(WHAT_BECAME, durable, stream)
    return {row[0]: tuple(row)[1:] for row in rows}


async def letters(platform: Platform, service: str, durable: str) -> dict[str, str]:
    """The reasons of the dead letters that the broker has taken, by their sequence."""
    purpose = durable.removeprefix(f"{service}-")
    rows = await platform.database(service).fetch(LETTERS, f"dlq.{service}.{purpose}.%")
    sent = [parse_headers(row["headers"]) for row in rows if row["sent_at"]]
    return {fields["dlq-stream-seq"]: fields["dlq-reason"] for fields in sent}


async def all_is_read(platform: Platform, enemy: Enemy) -> None:
    """Every durable of every service has nothing left to do; nobody had to connect again."""
    runtimes = [platform.runtime(name) for name in MESSAGING]
    owed = [declared(runtime.parts.router, ack_wait_s=TIMES["ack_wait_s"]) for runtime in runtimes]
    for durable in (durable for topology in owed for durable in topology.durables):
        await until(partial(is_read, enemy, durable))
    assert all(runtime.parts.connection.connected.is_set() for runtime in runtimes)
    assert [runtime.parts.connection.client.stats["reconnects"] for runtime in runtimes] == [
        0
    ] * len(MESSAGING)


async def is_read(enemy: Enemy, durable: Durable) -> bool:
    return await lag(enemy.client, durable) == 0


async def comes_to(
    read: Callable[[], Awaitable[Mapping[T, object]]], wanted: Mapping[T, object]
) -> None:
    """Returns when all that is wanted is read; fails with what is missing after 20 seconds."""
    missing: Mapping[T, object] = wanted

    async def is_so() -> bool:
        nonlocal missing
        found = await read()
        missing = {key: value for key, value in wanted.items() if found.get(key) != value}
        return not missing

    with suppress(TimeoutError):
        await until(is_so)
    assert missing == {}


@pytest.mark.parametrize("message", [*EVENTS, PrintLabel], ids=lambda cls: cls.__name__)
async def test_each_hostile_message_ends_where_people_see_it(
    platform: Platform, enemy: Enemy, message: type[Event | Job]
) -> None:
    sent = list(hostile(message))
    stored = await enemy.publish(sent)
    assert all(stored)
    wanted = {at: VERDICTS[one.verdict] for at, one in zip(stored, sent, strict=True)}
    dead = {str(at): "schema" for at, verdict in wanted.items() if verdict[0] == "dead"}
    for service, durable in durables(platform, message):
        reads = partial(became, platform, service, durable, message_type(message).stream)
        await comes_to(reads, wanted)
        await comes_to(partial(letters, platform, service, durable), dead)
    await all_is_read(platform, enemy)


@pytest.mark.parametrize(("subject", "kept"), list(NOWHERE.values()), ids=NOWHERE)
async def test_a_subject_that_nobody_reads_concerns_nobody(
    platform: Platform, enemy: Enemy, subject: bytes, kept: bool
) -> None:
    (stored,) = await enemy.publish([Hostile("", subject, b"", b"{", "held")])
    assert bool(stored) is kept
    await all_is_read(platform, enemy)


async def test_what_is_too_large_costs_nobody_else_the_connection(
    platform: Platform, enemy: Enemy
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", platform.broker.port)
    writer.write(b"CONNECT {}\r\nPUB evt.orders.placed.v1.07 2000000\r\n" + b"x" * 2_000_000)
    with suppress(ConnectionError):
        assert b"Maximum Payload Violation" in await reader.read()
    writer.close()
    await all_is_read(platform, enemy)


@pytest.mark.parametrize("body", list(QUESTIONS.values()), ids=QUESTIONS)
async def test_a_question_that_is_none_is_answered_by_its_error(enemy: Enemy, body: bytes) -> None:
    answer = await enemy.client.request(QUOTE, body, timeout=5)
    assert (answer.headers or {})["tally-error"] == "InvalidMessage"


@pytest.mark.parametrize("deadline", DEADLINES)
async def test_a_question_with_a_deadline_that_is_none_is_answered(
    enemy: Enemy, deadline: str
) -> None:
    body = b'{"country":"BE","quantity":1}'
    answer = await enemy.client.request(QUOTE, body, timeout=5, headers={WITHIN: deadline})
    assert (answer.headers or {}).get("tally-error", "TimeoutError") == "TimeoutError"
    assert (answer.headers or {}) or b"price" in answer.data


async def test_good_orders_go_on(platform: Platform, enemy: Enemy) -> None:
    orders = await platform.place_some(5)
    assert [await order.end() for order in orders] == [("shipped", None)] * 5
    await all_is_read(platform, enemy)
