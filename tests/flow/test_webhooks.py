"""The provider tells what became of a call whose reply was lost: nobody waits for the next try."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from payments.provider import Provider
from sandbox.provider import signature
from tallystick.outside import NoAnswer
from tests.order import until
from tests.platform import WEBHOOK_SECRET, Platform

SHIPPED = ("shipped", None)
FAR = 3_600.0  # seconds to the next try, so that what ends has not waited for it


@pytest.fixture
def asked(platform: Platform) -> Counter[str]:
    """How often each call was made; the reply of every first one is lost, after its effect."""
    provider: Any = platform.runtime("payments").resources[Provider]
    asked = Counter[str]()

    def losing(ask: Any) -> Any:
        async def lose(key: str, *rest: Any) -> Any:
            asked[key] += 1
            answer = await ask(key, *rest)
            if asked[key] == 1:
                raise NoAnswer("the reply was lost", delay=FAR)
            return answer

        return lose

    provider.capture, provider.refund = losing(provider.capture), losing(provider.refund)
    return asked


async def captures(platform: Platform) -> list[str]:
    """What the provider has entered, oldest first."""
    async with platform.http.get(f"{platform.url('sandbox')}/provider/ledger") as answer:
        return [entry["outcome"] for entry in (await answer.json())["entries"]]


async def set_mishaps(platform: Platform, **mishaps: float) -> None:
    url = f"{platform.url('sandbox')}/faults"
    async with platform.http.put(url, json={"webhooks": mishaps}) as answer:
        assert answer.status == 200


async def test_a_payment_whose_reply_was_lost_is_settled_by_its_webhook(
    platform: Platform, asked: Counter[str]
) -> None:
    orders = await platform.place_some(5)  # fewer than open the circuit
    for order in orders:
        assert await order.end() == SHIPPED
    assert asked == {f"{order.id}:capture": 2 for order in orders}
    assert await captures(platform) == ["captured"] * 5
    assert await platform.database("payments").fetch("select from tallystick.deferred") == []


async def test_the_event_that_follows_a_webhook_is_said_again_with_its_order(
    platform: Platform, asked: Counter[str]
) -> None:
    order = await platform.place()
    assert await order.end() == SHIPPED
    about = f"%{order.id}%".encode()
    (placed,) = await platform.database("orders").fetch(
        "select id::text from tallystick.outbox"
        " where body like $1 and subject like 'evt.orders.placed%'",
        about,
    )
    (captured,) = await platform.database("payments").fetch(
        "select correlation_id from tallystick.outbox where body like $1", about
    )
    assert captured["correlation_id"] == placed["id"]


async def test_a_decline_and_a_refund_whose_replies_were_lost_are_settled_by_webhooks(
    platform: Platform, asked: Counter[str]
) -> None:
    declined = await platform.place(payment_token="tok_insufficient_funds")
    assert await declined.end() == ("declined", "insufficient_funds")
    returned = await platform.place(address=AT_THE_POLE)
    assert (await returned.end())[0] == "cancelled"
    assert asked[f"{returned.id}:refund"] == 2
    assert await returned.row("payments", "state") == ("refunded",)


AT_THE_POLE = {
    "name": "Ada Lind",
    "street": "1 Ice Road",
    "city": "McMurdo",
    "postcode": "0",
    "country": "AQ",
}


@pytest.mark.parametrize("mishap", ["duplicate", "late"])
async def test_webhooks_that_come_twice_or_after_the_end_change_nothing(
    platform: Platform, mishap: str
) -> None:
    await set_mishaps(platform, **{mishap: 1, "late_ms": 1_500})
    orders = await platform.place_some(20)
    for order in orders:
        assert await order.end() == SHIPPED
        await order.reaches("payments", state="captured", parked=None)

    async def all_were_told() -> bool:
        held = "select from tallystick.deferred"
        return not await platform.database("sandbox").fetch(held)

    await until(all_were_told)
    assert await captures(platform) == ["captured"] * 20
    for order in orders:
        assert await order.row("payments", "state, version, parked") == ("captured", 2, None)


async def test_a_forged_webhook_settles_nothing(platform: Platform, asked: Counter[str]) -> None:
    await set_mishaps(platform, never=1)
    order = await platform.place()
    await order.reaches("payments", state="unknown")
    body = (
        f'{{"type": "capture.captured", "data": {{"reference": "{order.id}", "amount": 4200,'
        f' "currency": "{order.currency}"}}}}'
    ).encode()
    url = f"{platform.url('payments')}/webhooks/provider"
    for key, status in ((bytes(32), 401), (signature.key(WEBHOOK_SECRET), 204)):
        assert await order.row("payments", "state") == ("unknown",)
        signed = signature.headers(key, "msg_1", int(time.time()), body)
        headers = {"Content-Type": "application/json", **signed}
        async with platform.http.post(url, data=body, headers=headers) as answer:
            assert answer.status == status
    assert await order.end() == SHIPPED
