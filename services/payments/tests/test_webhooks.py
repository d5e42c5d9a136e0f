"""`POST /webhooks/provider` on a real database: which webhooks are used, and what they change."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from fastapi import FastAPI
from prometheus_client import REGISTRY
from uuid_utils.compat import uuid7

from payments import store
from payments.facts import Capture, Payment, Refund, State
from payments.notices import Use
from payments.provider import Captured, Provider, Refunded
from payments.settings import Settings
from tallystick import Database, TallystickError
from tallystick.outside import NoAnswer
from tallystick_contracts.money import Money
from tallystick_contracts.orders import OrderId
from tallystick_contracts.payments import RefundReason

TOTAL = Money(amount=4_200, currency="EUR")
OLD_KEY, NEW_KEY = (base64.b64decode(letter * 40) for letter in "BC")  # of the service's secrets


class Asked:
    """The provider: its first reply is lost and its next is worth an hour; then it answers."""

    def __init__(self) -> None:
        self.lost = [NoAnswer("the reply is lost", delay=3_600)]
        self.answers_now = asyncio.Event()
        self.answers_now.set()
        self.calls = 0

    async def capture(self, *_: Any) -> Captured:
        await self._answer()
        return Captured("R1")

    async def refund(self, *_: Any) -> Refunded:
        await self._answer()
        return Refunded()

    async def _answer(self) -> None:
        self.calls += 1
        await self.answers_now.wait()
        if self.lost:
            raise self.lost.pop()


@pytest.fixture
async def asked(service: FastAPI, database: Database) -> AsyncIterator[Asked]:
    resources = service.state.composition.runtime.resources
    real, resources[Provider] = resources[Provider], Asked()
    yield resources[Provider]
    resources[Provider] = real


async def opened(database: Database, state: State = State.CAPTURING) -> OrderId:
    """A payment whose call is out."""
    order_id = OrderId(uuid7())
    first = Payment(
        order_id=order_id, state=State.CAPTURING, version=1, amount=TOTAL, token="tok_visa"
    )
    await database.commit(*store.update(Payment(order_id=order_id), first))
    if state is State.CAPTURING:
        await database.commit(Capture(order_id=order_id))
        return order_id
    after = Payment(
        order_id=order_id, state=state, version=2, amount=TOTAL, stop=RefundReason.CUSTOMER
    )
    await database.commit(*store.update(first, after), Refund(order_id=order_id))
    return order_id


async def unanswered(database: Database) -> OrderId:
    """A payment whose capture is unknown and is asked for again in an hour."""
    order_id = await opened(database)
    await becomes(database, order_id, State.UNKNOWN)
    async with asyncio.timeout(10):
        while not await database.fetch("select from tallystick.deferred where replica is null"):
            await asyncio.sleep(0.01)
    return order_id


async def becomes(database: Database, order_id: OrderId, state: State) -> None:
    async with asyncio.timeout(10):
        while (await store.get(database, order_id)).state is not state:
            await asyncio.sleep(0.01)


def body(order_id: object, kind: str = "capture.captured", **changed: object) -> bytes:
    data = {"reference": str(order_id), "amount": 4_200, "currency": "EUR"} | changed
    return json.dumps({"type": kind, "timestamp": "2026-11-25T09:00:00Z", "data": data}).encode()


async def post(
    http: ClientSession,
    content: bytes,
    *,
    webhook: str = "msg_1",
    key: bytes = NEW_KEY,
    age: int = 0,
    **headers: str,
) -> int:
    """The status of a webhook that was signed so many seconds ago."""
    timestamp = str(int(time.time()) - age)
    signature = hmac.digest(key, f"{webhook}.{timestamp}.".encode() + content, "sha256")
    signed = {
        "Content-Type": "application/json",
        "webhook-id": webhook,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
    async with http.post("/webhooks/provider", data=content, headers=signed | headers) as answer:
        if answer.status >= 400:
            assert answer.content_type == "application/problem+json"
        return answer.status


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("payments_webhooks_total", {"outcome": outcome}) or 0


async def test_a_capture_whose_reply_was_lost_is_settled_by_a_webhook_at_once(
    http: ClientSession, database: Database, asked: Asked
) -> None:
    order_id = await unanswered(database)
    assert await post(http, body(order_id)) == 204
    await becomes(database, order_id, State.CAPTURED)
    assert await database.fetch("select from tallystick.deferred") == []
    rows = await database.fetch("select subject from tallystick.outbox")
    assert [row["subject"].rpartition(".")[0] for row in rows] == ["evt.payments.captured.v1"]


async def test_a_webhook_before_the_reply_is_of_use_when_the_reply_is_lost(
    http: ClientSession, database: Database, asked: Asked
) -> None:
    asked.answers_now.clear()
    order_id = await opened(database)
    assert await post(http, body(order_id)) == 204
    asked.answers_now.set()
    await becomes(database, order_id, State.CAPTURED)
    assert asked.calls == 2


async def test_a_webhook_before_a_reply_that_comes_changes_nothing(
    http: ClientSession, database: Database, asked: Asked
) -> None:
    asked.lost.clear()
    asked.answers_now.clear()
    order_id = await opened(database)
    assert await post(http, body(order_id)) == 204
    asked.answers_now.set()
    await becomes(database, order_id, State.CAPTURED)
    assert asked.calls == 1


async def test_a_refund_whose_reply_was_lost_is_settled_by_a_webhook(
    http: ClientSession, database: Database, asked: Asked
) -> None:
    order_id = await opened(database, State.REFUNDING)
    async with asyncio.timeout(10):
        while not await database.fetch("select from tallystick.deferred where replica is null"):
            await asyncio.sleep(0.01)
    assert await post(http, body(order_id, "refund.refunded")) == 204
    await becomes(database, order_id, State.REFUNDED)


async def test_what_a_webhook_says_is_never_taken_for_the_answer(
    http: ClientSession, database: Database, asked: Asked
) -> None:
    order_id = await unanswered(database)
    assert await post(http, body(order_id, "capture.declined")) == 204
    await becomes(database, order_id, State.CAPTURED)


async def test_a_webhook_that_comes_again_is_not_heeded_again(
    http: ClientSession, database: Database, asked: Asked
) -> None:
    asked.lost += [NoAnswer("lost again", delay=3_600)]
    order_id = await unanswered(database)
    before = counted(Use.REPEATED)
    statuses = [await post(http, body(order_id)) for _ in range(5)]
    assert statuses == [204] * 5
    assert counted(Use.REPEATED) == before + 4
    async with asyncio.timeout(10):
        while not await database.fetch(
            "select from tallystick.deferred where replica is null and due_at > now()"
        ):
            await asyncio.sleep(0.01)
    assert asked.calls == 2


async def test_copies_that_come_at_once_are_one(
    http: ClientSession, database: Database, asked: Asked
) -> None:
    order_id = await unanswered(database)
    before = counted(Use.RESCHEDULED)
    posted = await asyncio.gather(*(post(http, body(order_id)) for _ in range(20)))
    assert posted == [204] * 20
    await becomes(database, order_id, State.CAPTURED)
    assert (counted(Use.RESCHEDULED) - before, asked.calls) == (1, 2)


@pytest.mark.parametrize(
    "forgery",
    [
        {"key": bytes(32)},
        {"age": 301},
        {"age": -310},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": ""},
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": "now"},
    ],
)
async def test_a_forged_webhook_is_refused_and_changes_nothing(
    http: ClientSession, database: Database, asked: Asked, forgery: dict[str, Any]
) -> None:
    order_id = await unanswered(database)
    tables = "select p.*, h.* from payments p, tallystick.deferred h"
    before, refused = await database.fetch(tables), counted("refused")
    assert await post(http, body(order_id), **forgery) == 401
    assert await database.fetch(tables) == before
    assert counted("refused") == refused + 1


async def test_the_secret_of_before_is_good_while_it_is_replaced(
    http: ClientSession, database: Database, asked: Asked
) -> None:
    order_id = await unanswered(database)
    assert await post(http, body(order_id), key=OLD_KEY) == 204
    await becomes(database, order_id, State.CAPTURED)


@pytest.mark.parametrize(
    ("changed", "use"),
    [
        ({"amount": 4_201}, Use.MISMATCH),
        ({"currency": "USD"}, Use.MISMATCH),
        ({"kind": "refund.refunded"}, Use.IMPOSSIBLE),
        ({"reference": str(uuid7())}, Use.STRANGE),
        ({"reference": "o1"}, Use.STRANGE),
        ({"reference": None}, Use.STRANGE),
        ({"kind": "payout.paid", "amount": None}, Use.OTHER),
    ],
)
async def test_what_does_not_fit_is_counted_and_changes_nothing(
    http: ClientSession,
    database: Database,
    asked: Asked,
    changed: dict[str, Any],
    use: Use,
) -> None:
    order_id = await unanswered(database)
    tables = "select p.*, h.* from payments p, tallystick.deferred h"
    before, count = await database.fetch(tables), counted(use)
    assert await post(http, body(**{"order_id": order_id} | changed)) == 204
    assert await database.fetch(tables) == before
    assert counted(use) == count + 1


@pytest.mark.parametrize("content", [b"{}", b'{"type": 1, "data": {}}', b'{"type": "a"}'])
async def test_an_authentic_webhook_of_another_shape_is_refused_by_the_name_of_its_field(
    http: ClientSession, database: Database, content: bytes
) -> None:
    assert await post(http, content) == 422


async def test_the_forged_body_is_not_even_looked_at(
    http: ClientSession, database: Database
) -> None:
    assert await post(http, b"{}", key=bytes(32)) == 401


async def test_a_body_too_large_is_refused_like_everywhere(
    http: ClientSession, database: Database
) -> None:
    assert await post(http, body("o1", padding="x" * 65_536)) == 413


async def test_without_a_secret_none_are_taken(
    http: ClientSession, service: FastAPI, database: Database
) -> None:
    resources = service.state.composition.runtime.resources
    real = resources[Settings]
    resources[Settings] = real.model_copy(update={"webhook_secrets": None})
    try:
        assert await post(http, body("o1")) == 404
    finally:
        resources[Settings] = real


@pytest.mark.parametrize("secret", ["", "whsec_", "hunter22", "whsec_c2hvcnQ="])
def test_a_secret_that_is_none_is_refused_by_the_name_of_its_setting(secret: str) -> None:
    with pytest.raises(TallystickError, match="PAYMENTS_WEBHOOK_SECRETS is not whsec_") as refused:
        Settings(
            database_url="postgresql://localhost/payments",
            provider_url="http://127.0.0.1:9",
            webhook_secrets=secret,
        )
    assert "hunter22" not in str(refused.value)
