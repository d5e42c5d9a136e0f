"""`tally parked` on a service that parks."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

Shop = Any
Tally = Any
ORDER = "019abc5e-6a24-7c31-8f0e-2d41b7a95c60"


@pytest.fixture(autouse=True)
def parked(shop: Shop) -> Iterator[None]:
    """One order is parked."""
    shop.parked[ORDER] = "past its deadline in placed"
    yield
    shop.parked.clear()
    shop.done.clear()


async def test_what_is_parked_is_listed_with_its_reason(tally: Tally) -> None:
    result = await tally("parked", "list")
    assert result.stdout.splitlines()[1].split(maxsplit=5) == [
        *("2026-11-25", "10:00:00", "shop", ORDER, "placed", "past its deadline in placed")
    ]


async def test_nothing_parked_is_said(shop: Shop, tally: Tally) -> None:
    shop.parked.clear()
    assert (await tally("parked", "list")).stdout == "nothing is parked\n"


async def test_a_retry_is_recorded_with_who_and_why(shop: Shop, tally: Tally) -> None:
    retry = ("parked", "retry", ORDER, "--reason", "the bank is back", "--actor", "ada")
    result = await tally(*retry)
    assert result.exit_code == 0, result.stderr
    assert "not parked" in result.stdout
    ((_, act),) = shop.done
    assert (act.actor, act.reason) == ("ada", "the bank is back")
    assert "the bank is back" in (await tally("parked", "show", ORDER)).stdout
    again = await tally(*retry)
    assert again.exit_code == 2
    assert again.stderr == f"tally: {ORDER} is not parked: see tally parked show {ORDER}\n"


async def test_a_decision_is_the_services_to_take_or_to_refuse(shop: Shop, tally: Tally) -> None:
    resolve = ("parked", "resolve", ORDER, "--reason", "the customer called")
    refused = await tally(*resolve, "--as", "lost")
    assert refused.exit_code == 2
    assert "as: Input should be 'cancelled'" in refused.stderr
    done = await tally(*resolve, "--as", "cancelled", "--json")
    assert json.loads(done.stdout)["services"]["shop"]["parked"] is None
    assert "@" in shop.done[0][1].actor


async def test_an_order_that_no_service_knows_is_a_line_and_2(tally: Tally) -> None:
    result = await tally("parked", "show", "nothing")
    assert (result.exit_code, result.stderr) == (2, "tally: no service knows an order nothing\n")
