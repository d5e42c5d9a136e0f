"""Webhooks as a subscriber gets them: signed, at least once, with their mishaps."""

import asyncio
import base64
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from payments.provider import Captured, Provider, Refunded
from payments.signature import Signed, keys, verify
from sandbox.provider import signature
from sandbox.provider.webhooks import ATTEMPTS, LONGEST_PAUSE_S, pause
from tallystick.outside import NoAnswer
from tallystick.testing import free_port

SECRET = "whsec_" + base64.b64encode(b"a secret that is long enough").decode()
Serve = Callable[..., AbstractContextManager[str]]


class Subscriber:
    """Takes webhooks and answers as a test says, 204 in the end."""

    def __init__(self) -> None:
        self.port = free_port()
        self.taken: list[tuple[Signed, bytes, float]] = []
        self.answers: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    def received(self) -> list[tuple[str, str]]:
        """The ids and types of what was taken."""
        return [(signed.id, json.loads(body)["type"]) for signed, body, _ in self.taken]

    async def take(self, request: web.Request) -> web.Response:
        headers = (request.headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        self.taken.append((Signed(*headers), await request.read(), time.time()))
        return web.Response(status=self.answers.pop(0) if self.answers else 204)

    async def hears(self, number: int) -> None:
        """Returns once so many were taken; raises TimeoutError."""
        async with asyncio.timeout(20):
            while len(self.taken) < number:
                await asyncio.sleep(0.01)


@pytest.fixture
async def subscriber() -> AsyncIterator[Subscriber]:
    subscriber = Subscriber()
    app = web.Application()
    app.router.add_post("/hooks", subscriber.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", subscriber.port).start()
    yield subscriber
    await runner.cleanup()


@pytest.fixture
def telling(restarted: Serve, subscriber: Subscriber) -> Serve:
    """Run a sandbox that tells the subscriber."""
    return partial(restarted, webhook_url=subscriber.url, webhook_secret=SECRET, sweep_s=0.05)


@pytest.fixture
def url(telling: Serve) -> Iterator[str]:
    with telling() as url:
        yield url


@pytest.fixture
async def provider(url: str) -> AsyncIterator[Provider]:
    async with Provider(url, timeout_s=10) as provider:
        yield provider


async def capture(provider: Provider, key: str = "k1", token: str = "tok_visa") -> object:
    return await provider.capture(key, "o1", 1299, "EUR", token)


async def set_mishaps(url: str, mishaps: dict[str, Any]) -> None:
    async with aiohttp.request("PUT", f"{url}/faults", json={"webhooks": mishaps}) as response:
        assert response.status == 200


def test_it_signs_as_the_libraries_of_the_specification_do() -> None:
    # https://github.com/standard-webhooks/standard-webhooks: the example of their tests
    key = signature.key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    id_, timestamp = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330
    assert signature.headers(key, id_, timestamp, b'{"test": 2432232314}') == {
        "webhook-id": id_,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_it_is_told_after_longer_and_longer_pauses_and_not_for_ever() -> None:
    pauses = [pause(attempt) or 0.0 for attempt in range(1, ATTEMPTS)]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.25, LONGEST_PAUSE_S)
    assert 300 < sum(pauses) < 900
    assert pause(ATTEMPTS) is None


async def test_every_answer_is_told_signed_and_whole(
    provider: Provider, subscriber: Subscriber
) -> None:
    await provider.capture("k1", "o1", 1299, "EUR", "tok_visa")
    await provider.capture("k2", "o2", 50, "JPY", "tok_expired_card")
    await provider.refund("k3", "o1", 1299, "EUR")
    await provider.refund("k4", "o2", 50, "JPY")
    await subscriber.hears(4)
    found = {}
    for signed, body, _ in subscriber.taken:
        verify(keys(SECRET), signed, body, time.time())
        content = json.loads(body)
        found[content["type"]] = content["data"]
    assert found == {
        "capture.captured": data("o1", 1299, "EUR"),
        "capture.declined": data("o2", 50, "JPY", "expired_card"),
        "refund.refunded": data("o1", 1299, "EUR"),
        "refund.refused": data("o2", 50, "JPY", "nothing_captured"),
    }


def data(reference: str, amount: int, currency: str, reason: str | None = None) -> dict[str, Any]:
    return {"reference": reference, "amount": amount, "currency": currency, "reason": reason}


async def test_an_answer_that_is_given_again_is_told_once(
    provider: Provider, subscriber: Subscriber
) -> None:
    assert [await capture(provider) for _ in range(3)] == [Captured("o1")] * 3
    await capture(provider, "k2")
    await subscriber.hears(2)
    assert len(set(subscriber.received())) == 2


async def test_an_answer_that_was_lost_is_told_all_the_same(
    provider: Provider, subscriber: Subscriber
) -> None:
    with pytest.raises(NoAnswer):
        await capture(provider, token="tok_visa__reset_after")
    await subscriber.hears(1)


async def test_what_is_not_heard_is_told_again_the_same_and_signed_anew(
    provider: Provider, subscriber: Subscriber
) -> None:
    subscriber.answers = [500, 404, 301]
    await capture(provider)
    await subscriber.hears(4)
    assert len({(signed.id, body) for signed, body, _ in subscriber.taken}) == 1
    for signed, body, at in subscriber.taken:
        verify(keys(SECRET), signed, body, at)
        assert abs(int(signed.timestamp) - at) < 2


async def test_a_restart_forgets_no_webhook(telling: Serve, subscriber: Subscriber) -> None:
    subscriber.answers = [503]
    with telling() as url:
        async with Provider(url) as provider:
            await capture(provider)
        await subscriber.hears(1)
    with telling():
        await subscriber.hears(2)
    assert len(set(subscriber.received())) == 1


async def test_a_duplicate_is_told_twice(url: str, subscriber: Subscriber) -> None:
    await set_mishaps(url, {"duplicate": 1})
    async with Provider(url) as provider:
        await capture(provider)
    await subscriber.hears(2)
    assert list(Counter(subscriber.received()).values()) == [2]


async def test_a_late_one_is_told_later_than_it_was_due(url: str, subscriber: Subscriber) -> None:
    await set_mishaps(url, {"late": 1, "late_ms": 700})
    began = time.time()
    async with Provider(url) as provider:
        await capture(provider)
    await subscriber.hears(1)
    assert subscriber.taken[0][2] - began >= 0.7


async def test_a_token_asks_for_a_mishap_and_a_webhook_without_one_overtakes_it(
    provider: Provider, subscriber: Subscriber
) -> None:
    await capture(provider, "k1", "tok_visa__webhook_never")
    await provider.refund("k2", "o1", 1299, "EUR")
    await subscriber.hears(1)
    assert [kind for _, kind in subscriber.received()] == ["refund.refunded"]


async def test_nobody_is_told_without_a_subscriber(restarted: Serve) -> None:
    with restarted() as url:
        async with Provider(url) as provider:
            assert await capture(provider) == Captured("o1")
            assert await provider.refund("k2", "o1", 1299, "EUR") == Refunded()
