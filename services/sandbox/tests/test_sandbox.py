"""The sandbox as its callers meet it: the real clients, a real server, a real database."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from typing import Any

import aiohttp
import pytest

from payments.provider import Captured, Declined, Provider, Refunded, RefundRefused
from sandbox.faults import Kind
from shipping.carrier import (
    Booked,
    BookingCancelled,
    CancellationRefused,
    Carrier,
    Refused,
)
from tallystick import PermanentError
from tallystick.outside import NoAnswer

HOME = {
    "name": "Ada Lind",
    "street": "1 Mill Lane",
    "city": "Turku",
    "postcode": "20100",
    "country": "FI",
}
WITH_EFFECT = [Kind.SILENCE_AFTER, Kind.RESET_AFTER, Kind.ERROR_AFTER, Kind.GARBLED]
WITHOUT_EFFECT = [Kind.SILENCE_BEFORE, Kind.RESET_BEFORE, Kind.ERROR_BEFORE, Kind.BUSY]
Serve = Callable[..., AbstractContextManager[str]]
Json = dict[str, Any]


@pytest.fixture
async def http(url: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(url) as session:
        yield session


@pytest.fixture
async def provider(url: str) -> AsyncIterator[Provider]:
    async with Provider(url, timeout_s=10) as provider:
        yield provider


@pytest.fixture
async def hasty(url: str) -> AsyncIterator[Provider]:
    """A caller who soon gives up."""
    async with Provider(url, timeout_s=0.3) as provider:
        yield provider


@pytest.fixture
async def carrier(url: str) -> AsyncIterator[Carrier]:
    async with Carrier(url, timeout_s=10) as carrier:
        yield carrier


async def ledger(http: aiohttp.ClientSession, side: str = "provider") -> list[Json]:
    async with http.get(f"/{side}/ledger") as response:
        entries: list[Json] = (await response.json())["entries"]
        return entries


async def outcomes(http: aiohttp.ClientSession, side: str = "provider") -> list[str]:
    return [entry["outcome"] for entry in await ledger(http, side)]


async def become(http: aiohttp.ClientSession, expected: list[str]) -> None:
    """Wait until the provider's ledger has these outcomes."""
    deadline = time.monotonic() + 10
    while await outcomes(http) != expected:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def set_faults(http: aiohttp.ClientSession, faults: Json) -> None:
    async with http.put("/faults", json=faults) as response:
        assert response.status == 200


async def capture(provider: Provider, key: str = "k1", token: str = "tok_visa") -> object:
    return await provider.capture(key, "o1", 1299, "EUR", token)


async def test_a_capture_is_entered_once_and_answered_again(
    provider: Provider, http: aiohttp.ClientSession
) -> None:
    assert [await capture(provider) for _ in range(3)] == [Captured("o1")] * 3
    [entry] = await ledger(http)
    assert (entry["reference"], entry["amount"], entry["currency"]) == ("o1", 1299, "EUR")


async def test_fifty_captures_at_once_under_one_key_are_one(
    provider: Provider, http: aiohttp.ClientSession
) -> None:
    answers = await asyncio.gather(*(capture(provider) for _ in range(50)))
    assert answers == [Captured("o1")] * 50
    assert await outcomes(http) == ["captured"]


async def test_a_fresh_key_charges_again(provider: Provider, http: aiohttp.ClientSession) -> None:
    await capture(provider, "k1")
    await capture(provider, "k2")
    assert await outcomes(http) == ["captured", "captured"]


async def test_a_refusal_is_the_answer_for_ever(
    provider: Provider, http: aiohttp.ClientSession
) -> None:
    await set_faults(http, {"provider": {"refusal": 1}})
    assert await capture(provider) == Declined("card_declined")
    await set_faults(http, {})
    assert await capture(provider) == Declined("card_declined")
    assert await capture(provider, "k2") == Captured("o1")


async def test_fifty_at_once_get_one_refusal_or_one_capture(
    url: str, provider: Provider, http: aiohttp.ClientSession
) -> None:
    async def ask(number: int) -> object:
        if number == 25:
            await set_faults(http, {"provider": {"refusal": 1}})
        return await capture(provider)

    answers = await asyncio.gather(*(ask(number) for number in range(50)))
    assert len(set(answers)) == 1
    assert len(await ledger(http)) == 1


async def test_a_key_used_for_something_else_is_refused(
    provider: Provider, http: aiohttp.ClientSession
) -> None:
    await capture(provider)
    with pytest.raises(PermanentError, match=r"422 .*another request"):
        await provider.capture("k1", "o1", 1300, "EUR", "tok_visa")
    with pytest.raises(PermanentError, match=r"422 .*another request"):
        await provider.refund("k1", "o1", 1299, "EUR")
    assert await outcomes(http) == ["captured"]


@pytest.mark.parametrize("kind", WITH_EFFECT)
async def test_a_fault_after_the_effect_leaves_it_in_the_ledger(
    kind: Kind, provider: Provider, hasty: Provider, http: aiohttp.ClientSession
) -> None:
    with pytest.raises(NoAnswer):
        await capture(hasty, token=f"tok_visa__{kind}")
    await become(http, ["captured"])
    assert await capture(provider, token=f"tok_visa__{kind}") == Captured("o1")
    assert await outcomes(http) == ["captured"]


@pytest.mark.parametrize("kind", WITHOUT_EFFECT)
async def test_a_fault_before_the_effect_leaves_nothing(
    kind: Kind, provider: Provider, hasty: Provider, http: aiohttp.ClientSession
) -> None:
    with pytest.raises(NoAnswer):
        await capture(hasty, token=f"tok_visa__{kind}")
    assert await outcomes(http) == []
    assert await provider.find("o1") is None
    assert await capture(provider, token=f"tok_visa__{kind}") == Captured("o1")


async def test_a_late_effect_is_in_the_ledger_though_its_caller_gave_up(
    hasty: Provider, http: aiohttp.ClientSession
) -> None:
    with pytest.raises(NoAnswer, match="TimeoutError"):
        await capture(hasty, token="tok_visa__late")
    await become(http, ["captured"])


async def test_a_slow_answer_takes_effect_though_its_caller_gave_up(
    hasty: Provider, http: aiohttp.ClientSession
) -> None:
    await set_faults(http, {"provider": {"latency_ms": 400, "calls": ["capture"]}})
    with pytest.raises(NoAnswer, match="TimeoutError"):
        await capture(hasty)
    await become(http, ["captured"])


async def test_a_lost_decline_is_still_a_decline(provider: Provider) -> None:
    with pytest.raises(NoAnswer):
        await capture(provider, token="tok_declined__reset_after")
    assert await provider.find("o1") == Declined("card_declined")
    assert await capture(provider, token="tok_declined__reset_after") == Declined("card_declined")


async def test_a_provider_that_never_answers_never_charges(
    provider: Provider, http: aiohttp.ClientSession
) -> None:
    for _ in range(5):
        with pytest.raises(NoAnswer):
            await capture(provider, token="tok_visa__reset_before_always")
    assert await outcomes(http) == []


async def test_an_outage_lasts_until_it_is_healed(
    provider: Provider, carrier: Carrier, http: aiohttp.ClientSession
) -> None:
    await set_faults(http, {"provider": {"error_before": 1, "attempts": None}})
    for _ in range(5):
        with pytest.raises(NoAnswer, match="503"):
            await capture(provider)
    assert isinstance(await carrier.book("k1", "o1", HOME), Booked)
    await set_faults(http, {})
    assert await capture(provider) == Captured("o1")


async def test_faults_by_rate_end_after_some_attempts(restarted: Serve) -> None:
    faults = {"provider": {"error_before": 1, "attempts": 2}}
    with restarted(faults=faults) as url:
        async with Provider(url) as provider:
            for _ in range(2):
                with pytest.raises(NoAnswer):
                    await capture(provider)
            assert await capture(provider) == Captured("o1")


async def test_a_restart_keeps_ledger_and_answers(restarted: Serve) -> None:
    with restarted(faults={"provider": {"refusal": 1}}) as url:
        async with Provider(url) as provider:
            assert await capture(provider) == Declined("card_declined")
    with restarted() as url:
        async with Provider(url) as provider, aiohttp.ClientSession(url) as http:
            assert await capture(provider) == Declined("card_declined")
            assert await outcomes(http) == ["declined"]


async def test_of_many_refunds_at_once_one_is_granted(
    provider: Provider, http: aiohttp.ClientSession
) -> None:
    await capture(provider)
    refunds = (provider.refund(f"r{number}", "o1", 1299, "EUR") for number in range(10))
    answers = Counter(await asyncio.gather(*refunds))
    assert answers == {Refunded(): 1, RefundRefused("exceeds_captured"): 9}
    assert Counter(await outcomes(http)) == {"captured": 1, "refunded": 1, "refused": 9}


async def test_a_refund_is_answered_again_and_a_refusal_too(provider: Provider) -> None:
    early = await provider.refund("r1", "o1", 1299, "EUR")
    await capture(provider)
    assert await provider.refund("r1", "o1", 1299, "EUR") == early
    assert early == RefundRefused("nothing_captured")
    for _ in range(2):
        assert await provider.refund("r2", "o1", 1299, "EUR") == Refunded()


async def test_a_capture_is_found_by_its_reference(provider: Provider) -> None:
    assert await provider.find("o1") is None
    await capture(provider)
    assert await provider.find("o1") == Captured("o1")


async def test_a_booking_is_entered_once_and_cancelled_once(
    carrier: Carrier, http: aiohttp.ClientSession
) -> None:
    bookings = await asyncio.gather(*(carrier.book("k1", "o1", HOME) for _ in range(20)))
    assert len(set(bookings)) == 1
    cancels = await asyncio.gather(*(carrier.cancel("k2", "o1") for _ in range(20)))
    assert set(cancels) == {BookingCancelled()}
    assert await carrier.cancel("k3", "o1") == CancellationRefused("nothing_booked")
    assert await outcomes(http, "carrier") == ["booked", "cancelled", "refused"]
    booked, cancelled, _ = await ledger(http, "carrier")
    assert booked["tracking"] == cancelled["tracking"]


async def test_a_refused_booking_is_refused_for_ever(
    carrier: Carrier, http: aiohttp.ClientSession
) -> None:
    far = {**HOME, "country": "AQ"}
    for _ in range(2):
        assert await carrier.book("k1", "o1", far) == Refused("address_not_served")
    with pytest.raises(PermanentError, match="422"):
        await carrier.book("k1", "o1", HOME)
    assert await outcomes(http, "carrier") == ["refused"]


async def test_a_street_brings_a_fault(carrier: Carrier, http: aiohttp.ClientSession) -> None:
    street = {**HOME, "street": "sandbox:ok__reset_after_x2"}
    for _ in range(2):
        with pytest.raises(NoAnswer, match="reset"):
            await carrier.book("k1", "o1", street)
    assert isinstance(await carrier.book("k1", "o1", street), Booked)
    assert await outcomes(http, "carrier") == ["booked"]


async def test_a_booking_is_tracked_by_its_reference(
    carrier: Carrier, http: aiohttp.ClientSession
) -> None:
    async with http.get("/carrier/bookings/o1") as response:
        assert response.status == 404
    await carrier.book("k1", "o1", HOME)
    async with http.get("/carrier/bookings/o1") as response:
        assert (await response.json())["outcome"] == "booked"


async def test_the_ledger_comes_in_pages_and_as_totals(
    provider: Provider, http: aiohttp.ClientSession
) -> None:
    for number in range(7):
        await provider.capture(f"k{number}", f"o{number}", 100 + number, "EUR", "tok_visa")
    await provider.capture("k7", "o7", 50, "USD", "tok_declined")
    seen: list[str] = []
    after: int | None = 0
    while after is not None:
        async with http.get("/provider/ledger", params={"after": after, "limit": 4}) as response:
            page = await response.json()
        seen += [entry["reference"] for entry in page["entries"]]
        after = page["next"]
    assert seen == [f"o{number}" for number in range(8)]
    async with http.get("/provider/ledger", params={"reference": "o3"}) as response:
        assert len((await response.json())["entries"]) == 1
    async with http.get("/provider/ledger/totals") as response:
        assert (await response.json())["totals"] == [
            {
                "call": "capture",
                "outcome": "captured",
                "currency": "EUR",
                "count": 7,
                "amount": 721,
            },
            {"call": "capture", "outcome": "declined", "currency": "USD", "count": 1, "amount": 50},
        ]


BODY = {"reference": "o1", "amount": 1299, "currency": "EUR", "token": "tok_visa"}


@pytest.mark.parametrize(
    ("headers", "changed", "field"),
    [
        ({}, {}, "Idempotency-Key"),
        ({"Idempotency-Key": "k1"}, {"amount": 0}, "amount"),
        ({"Idempotency-Key": "k1"}, {"amount": "1299"}, "amount"),
        ({"Idempotency-Key": "k1"}, {"currency": "euro"}, "currency"),
        ({"Idempotency-Key": "k1"}, {"token": "tok visa"}, "token"),
        ({"Idempotency-Key": "k1"}, {"reference": "o\x00"}, "reference"),
        ({"Idempotency-Key": "k1"}, {"tip": 1}, "tip"),
    ],
)
async def test_bad_input_is_refused_by_the_name_of_its_field(
    headers: dict[str, str], changed: Json, field: str, http: aiohttp.ClientSession
) -> None:
    async with http.post("/provider/captures", json=BODY | changed, headers=headers) as response:
        assert response.status == 422
        problem = await response.json()
    assert [error["field"].lower() for error in problem["errors"]] == [field.lower()]
    assert await ledger(http) == []


async def test_a_header_brings_a_fault_and_nonsense_is_refused(
    http: aiohttp.ClientSession,
) -> None:
    async def post(fault: str) -> int:
        headers = {"Idempotency-Key": "k1", "Sandbox-Fault": fault}
        async with http.post("/provider/captures", json=BODY, headers=headers) as response:
            return response.status

    assert [await post(fault) for fault in ("error_after", "late_or_never")] == [500, 422]
    assert await outcomes(http) == ["captured"]


async def test_a_fault_swallows_not_found_as_well(http: aiohttp.ClientSession) -> None:
    headers = {"Sandbox-Fault": "error_after"}
    async with http.get("/provider/captures/o1", headers=headers) as response:
        assert response.status == 500
    async with http.get("/provider/captures/o1", headers=headers) as response:
        assert response.status == 404


async def test_it_says_that_it_is_a_simulation(http: aiohttp.ClientSession) -> None:
    async with http.get("/openapi.json") as response:
        assert response.headers["Sandbox"] == "simulation"
        info = (await response.json())["info"]
    assert "simulation" in info["title"]
    assert "no money moves" in info["description"]


async def test_rates_that_make_no_sense_are_refused(http: aiohttp.ClientSession) -> None:
    for faults in ({"provider": {"late": 2}}, {"provider": {"late": 0.6, "busy": 0.6}}, {"x": 1}):
        async with http.put("/faults", json=faults) as response:
            assert response.status == 422
