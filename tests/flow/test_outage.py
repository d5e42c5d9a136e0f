"""An hour without the payment provider, by the clocks of the policy: only time is lost."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from tests.order import until
from tests.platform import Platform

ORDERS = 30
MINUTES = 60
AWAY = {"provider": {"error_before": 0.5, "error_after": 0.5, "attempts": None}}
LATER = """update tallystick.deferred
set due_at = due_at - interval '1 minute', give_up_at = give_up_at - interval '1 minute'"""
WAITING = """select count(*) from tallystick.deferred
where durable = 'payments-capture' and state = 'waiting' and replica is null"""
FAILED = "select count(*) from tallystick.attempts where durable = 'payments-capture'"
DEFERRED = "select count(*) from tallystick.deferred"


class Clock:
    """Runs as the machine's, and is put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.mark.timeout(240)
async def test_an_hour_without_the_provider_ends_no_order_and_charges_nothing_twice(
    platform: Platform,
) -> None:
    clock = _clock_of_the_breaker(platform)
    await _faults(platform, AWAY)
    orders = await platform.place_some(ORDERS, currency="EUR")
    await until(lambda: _is(platform, WAITING, ORDERS))
    for _ in range(MINUTES):
        tried = await _number(platform, FAILED)
        clock.ahead += 60
        await platform.database("payments").fetch(LATER)
        await until(lambda tried=tried: _exceeds(platform, FAILED, tried))  # type: ignore[misc]
        await until(lambda: _is(platform, WAITING, ORDERS))
    assert await _number(platform, DEFERRED) == ORDERS
    await _faults(platform, {})
    clock.ahead += 60
    assert Counter([await order.end() for order in orders]) == {("shipped", None): ORDERS}
    assert await _captures(platform) == Counter({str(order.id): 1 for order in orders})


def _clock_of_the_breaker(platform: Platform) -> Clock:
    clock = Clock()
    platform.runtime("payments").parts.slots._admissions["payments-capture"].breaker._clock = clock
    return clock


async def _faults(platform: Platform, faults: dict[str, Any]) -> None:
    async with platform.http.put(f"{platform.url('sandbox')}/faults", json=faults) as answer:
        assert answer.status == 200, await answer.text()


async def _number(platform: Platform, sql: str) -> int:
    number: int = (await platform.database("payments").fetch(sql))[0][0]
    return number


async def _is(platform: Platform, sql: str, wanted: int) -> bool:
    return await _number(platform, sql) == wanted


async def _exceeds(platform: Platform, sql: str, before: int) -> bool:
    return await _number(platform, sql) > before


async def _captures(platform: Platform) -> Counter[str]:
    rows = await platform.database("sandbox").fetch(
        "select reference from provider_ledger where outcome = 'captured'"
    )
    return Counter(str(row[0]) for row in rows)
