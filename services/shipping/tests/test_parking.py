"""Shipments that wait for a person: cancellations that the carrier refuses, bookings it forgot."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from aiohttp import ClientSession
from fastapi import FastAPI
from uuid_utils.compat import uuid7

from shipping import carrier, parking, store
from shipping.carrier import Carrier
from shipping.facts import Book, CancelBooking, Shipment, State
from tallystick import Database, Effect, PermanentError
from tallystick.outside import NoAnswer
from tallystick_contracts.orders import Address, OrderId

ADDRESS = Address(name="A", street="B", city="C", postcode="D", country="BE")
ACT = {"actor": "ada", "reason": "the depot says so"}


class Played:
    """The carrier, as a test says."""

    def __init__(self) -> None:
        self.booked: Any = NoAnswer("silence", delay=3600)
        self.cancelled: Any = carrier.CancellationRefused("collected")

    async def book(self, *_: Any) -> Any:
        if isinstance(self.booked, Exception):
            raise self.booked
        return self.booked

    async def cancel(self, *_: Any) -> Any:
        return self.cancelled


@pytest.fixture
async def played(service: FastAPI, database: Database) -> AsyncIterator[Played]:
    """Stands where the running service has its carrier."""
    resources = service.state.composition.runtime.resources
    real, resources[Carrier] = resources[Carrier], Played()
    yield resources[Carrier]
    resources[Carrier] = real


async def opened(database: Database, state: State, *effects: type[Effect]) -> OrderId:
    """A shipment in this state, whose calls are out."""
    order_id = OrderId(uuid7())
    first = Shipment(order_id=order_id, state=State.BOOKING, version=1, address=ADDRESS)
    after = Shipment(order_id=order_id, state=state, version=2, address=ADDRESS, tracking="T1")
    await database.commit(*store.update(Shipment(order_id=order_id), first))
    calls = [effect(order_id=order_id) for effect in effects]
    await database.commit(*store.update(first, after), *calls)
    return order_id


async def until(database: Database, condition: str) -> None:
    """Returns once there is such a row."""
    async with asyncio.timeout(10):
        while not await database.fetch(f"select from {condition}"):
            await asyncio.sleep(0.02)


async def ask(admin: ClientSession, path: str, body: object = None) -> tuple[int, Any]:
    method = "GET" if body is None else "POST"
    async with admin.request(method, f"/admin/parked{path}", json=body) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_a_refused_cancellation_is_listed_and_asked_for_again(
    admin: ClientSession, database: Database, played: Played
) -> None:
    order_id = await opened(database, State.CANCELLING, CancelBooking)
    await until(database, "shipments where parked is not null")
    _, page = await ask(admin, "")
    assert [(row["order_id"], row["parked"]) for row in page["parked"]] == [
        (str(order_id), "cancellation refused: collected")
    ]
    status, shown = await ask(admin, f"/{order_id}/retry", ACT)
    assert (status, shown["interventions"][0]["reason"]) == (200, ACT["reason"])
    played.cancelled = carrier.BookingCancelled()
    await until(database, "shipments where state = 'cancelled' and parked is null")


@pytest.mark.parametrize("error", [None, PermanentError("400")])
async def test_a_booking_that_waits_or_died_is_asked_for_again(
    admin: ClientSession, database: Database, played: Played, error: Exception | None
) -> None:
    played.booked = error or played.booked
    order_id = await opened(database, State.BOOKING, Book)
    waits = "state = 'dead'" if error else "due_at > now() + interval '1 minute'"
    await until(database, f"tallystick.deferred where replica is null and {waits}")
    played.booked = carrier.Booked("T1")
    assert (await ask(admin, f"/{order_id}/retry", ACT))[0] == 200
    await until(database, "shipments where state = 'booked'")


async def test_a_label_that_does_not_come_is_asked_for_again(
    admin: ClientSession, database: Database
) -> None:
    order_id = await opened(database, State.BOOKED)
    assert (await ask(admin, f"/{order_id}/retry", ACT))[0] == 200
    rows = await database.fetch("select subject, key from tallystick.outbox")
    assert [(row["subject"].rpartition(".")[0], row["key"]) for row in rows] == [
        ("job.shipping.print-label.v1", str(order_id))
    ]


async def test_what_waits_for_nothing_is_not_retried(
    admin: ClientSession, database: Database
) -> None:
    order_id = await opened(database, State.DISPATCHED)
    status, problem = await ask(admin, f"/{order_id}/retry", ACT)
    assert (status, problem["state"]) == (409, "dispatched")


async def test_nobody_resolves_what_only_the_carrier_knows(
    admin: ClientSession, database: Database
) -> None:
    order_id = await opened(database, State.BOOKED)
    assert (await ask(admin, f"/{order_id}/resolve", ACT | {"as": "cancelled"}))[0] == 422


@pytest.mark.parametrize("path", ["", "/retry"])
async def test_an_unknown_shipment_is_not_found(
    admin: ClientSession, database: Database, path: str
) -> None:
    assert (await ask(admin, f"/{UUID(int=7)}{path}", ACT if path else None))[0] == 404


async def test_parked_shipments_are_counted(database: Database) -> None:
    assert await parking.SHIPMENTS.count(database) == 0
    await opened(database, State.BOOKED)
    await database.fetch("update shipments set parked = 'x'")
    assert await parking.SHIPMENTS.count(database) == 1
