"""The circuit of an effect opens only for a partner that is away."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from tallystick import Delivery, Effect, Retry, Router, TemporaryError
from tallystick._admin.messages import Messages
from tallystick._deferred import admission
from tallystick._service.runtime import Runtime
from tallystick.errors import PartnerUnavailable
from tallystick.testing import eventually

Sql = Callable[..., Awaitable[list[Any]]]
Run = Callable[..., AbstractAsyncContextManager[Runtime]]
Until = Callable[[str], Awaitable[None]]

NOTHING_HELD = "not exists (select from tallystick.deferred)"
RETRY = Retry(first=0.01, longest=0.02)


class Charge(Effect, name="shop.charge", key="item"):
    item: int


class Hang(Effect, name="shop.hang", key="item"):
    item: int


class Partner:
    """Raises `error`, `times` times for each item and always while it is away."""

    def __init__(self, error: type[Exception], times: int) -> None:
        self.error = error
        self.times = times
        self.is_away = False
        self.calls: Counter[int] = Counter()

    async def charge(self, item: int) -> None:
        self.calls[item] += 1
        if self.is_away or self.calls[item] <= self.times:
            raise self.error("no")


def service(partner: Partner) -> Router:
    router = Router("shop")

    @router.effect(Charge, retry=RETRY)
    async def charge(effect: Charge, delivery: Delivery) -> None:
        await partner.charge(effect.item)

    return router


async def shown_of(runtime: Runtime, key: str) -> list[str | None]:
    """Return the errors that are shown for a waiting effect."""
    parts = runtime.parts
    shown = Messages(parts.postgres, parts.router, parts.replica, parts.slots.circuit_open)
    return [message.error for message in (await shown.about(key, [])).received]


async def test_a_partner_that_answers_not_yet_is_not_away(run: Run, sql: Sql, until: Until) -> None:
    partner = Partner(TemporaryError, times=2)
    with capture_logs() as lines:
        async with run(service(partner)) as runtime:
            for start in range(0, 300, 100):
                some = (Charge(item=item) for item in range(start, start + 100))
                await runtime.parts.database.commit(*some)
            await until(NOTHING_HELD)
    assert set(partner.calls.values()) == {3}
    assert not [line for line in lines if "circuit" in line["event"]]


async def test_the_circuit_opens_while_a_partner_is_away_and_closes_when_it_is_back(
    run: Run, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "FIRST_PAUSE_S", 0.2)
    partner = Partner(PartnerUnavailable, times=0)
    partner.is_away = True
    with capture_logs() as lines:
        async with run(service(partner)) as runtime:
            await runtime.parts.database.commit(*(Charge(item=item) for item in range(200)))
            labels = {"durable": "shop-charge"}
            await eventually(
                lambda: REGISTRY.get_sample_value("messaging_circuit_open", labels) == 1
            )
            assert runtime.parts.slots.circuit_open("shop-charge")
            await asyncio.sleep(0.5)
            assert await shown_of(runtime, "199") == ["the circuit is open"]
            assert sum(partner.calls.values()) < 150
            partner.is_away = False
            await until(NOTHING_HELD)
            await eventually(
                lambda: REGISTRY.get_sample_value("messaging_circuit_open", labels) == 0
            )
    events = [line["event"] for line in lines if "circuit" in line["event"]]
    assert events == [
        "circuit opened",
        "circuit closed",
    ]


async def test_a_partner_that_hangs_until_the_deadline_opens_the_circuit(run: Run) -> None:
    router, calls = Router("shop"), Counter[int]()

    @router.effect(Hang, retry=RETRY, breaker=3, concurrency=8, deadline=timedelta(milliseconds=50))
    async def hang(effect: Hang, delivery: Delivery) -> None:
        calls[effect.item] += 1
        await asyncio.Event().wait()

    async with run(router) as runtime:
        await runtime.parts.database.commit(*(Hang(item=item) for item in range(8)))
        await eventually(lambda: runtime.parts.slots.circuit_open("shop-hang"))
    assert sum(calls.values()) == 8
