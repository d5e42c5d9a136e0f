"""Payments that wait for a person: captures of which nothing is known, refunds that are refused."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from aiohttp import ClientSession
from fastapi import FastAPI
from uuid_utils.compat import uuid7

from payments import provider, store
from payments.facts import Capture, Payment, Refund, State
from payments.provider import Provider
from tallystick import Database, Effect, PermanentError
from tallystick.outside import NoAnswer
from tallystick_contracts.money import Money
from tallystick_contracts.orders import OrderId
from tallystick_contracts.payments import RefundReason

TOTAL = Money(amount=4_200, currency="EUR")
ACT = {"actor": "ada", "reason": "the bank says so"}
NEVER = NoAnswer("silence", delay=3600)


class Played:
    """The provider: silent, until a test says what it answers."""

    def __init__(self) -> None:
        self.ledger: provider.Captured | provider.Declined | Exception | None = None
        self.entered_after_a_look: provider.Captured | None = None
        self.captures: list[Any] = []
        self.refunded: Any = NEVER

    async def find(self, reference: str) -> Any:
        found, self.ledger = self.ledger, self.entered_after_a_look or self.ledger
        return self._told(found)

    async def capture(self, *_: Any) -> Any:
        return self._told(self.captures.pop(0) if self.captures else NEVER)

    async def refund(self, *_: Any) -> Any:
        return self._told(self.refunded)

    def _told(self, answer: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
async def played(service: FastAPI, database: Database) -> AsyncIterator[Played]:
    """Stands where the running service has its provider."""
    resources = service.state.composition.runtime.resources
    real, resources[Provider] = resources[Provider], Played()
    yield resources[Provider]
    resources[Provider] = real


async def open_payment(database: Database, state: State, effect: type[Effect]) -> OrderId:
    """A payment in this state, whose call is out."""
    order_id = OrderId(uuid7())
    opened = Payment(
        order_id=order_id, state=State.CAPTURING, version=1, amount=TOTAL, token="tok_visa"
    )
    await database.commit(*store.update(Payment(order_id=order_id), opened))
    stop = RefundReason.CUSTOMER if state is State.REFUNDING else None
    after = Payment(
        order_id=order_id, state=state, version=2, amount=TOTAL, token="tok_visa", stop=stop
    )
    await database.commit(*store.update(opened, after), effect(order_id=order_id))
    return order_id


async def unknown(database: Database, played: Played) -> OrderId:
    """A payment whose capture was not answered and is not asked for again for an hour."""
    order_id = await open_payment(database, State.CAPTURING, Capture)
    await reaches(database, order_id, State.UNKNOWN)
    await holds(database, "replica is null")  # the attempt that found out has ended
    return order_id


async def holds(database: Database, condition: str) -> None:
    """Returns once the effect's row is so."""
    async with asyncio.timeout(10):
        while not await database.fetch(f"select from tallystick.deferred where {condition}"):
            await asyncio.sleep(0.02)


async def reaches(database: Database, order_id: OrderId, state: State) -> Payment:
    """The payment, once it is in this state."""
    async with asyncio.timeout(10):
        while (payment := await store.get(database, order_id)).state is not state:
            await asyncio.sleep(0.02)
    return payment


async def events(database: Database) -> list[str]:
    rows = await database.fetch("select subject from tallystick.outbox order by stored_at")
    return [".".join(row["subject"].split(".")[1:3]) for row in rows]


async def ask(admin: ClientSession, path: str, body: object = None) -> tuple[int, Any]:
    method = "GET" if body is None else "POST"
    async with admin.request(method, f"/admin/parked{path}", json=body) as answer:
        return answer.status, await answer.json(content_type=None)


async def resolve(admin: ClientSession, order_id: OrderId, outcome: str) -> tuple[int, Any]:
    return await ask(admin, f"/{order_id}/resolve", ACT | {"as": outcome})


async def test_an_unknown_capture_is_resolved_as_the_ledger_has_it(
    admin: ClientSession, database: Database, played: Played
) -> None:
    order_id = await unknown(database, played)
    played.ledger = provider.Captured("R1")
    status, shown = await resolve(admin, order_id, "captured")
    assert status == 202
    assert shown["interventions"][0]["action"] == "resolve as captured"
    payment = await reaches(database, order_id, State.CAPTURED)
    assert payment.reference == "R1"
    assert await events(database) == ["payments.captured"]


async def test_an_unknown_capture_that_the_ledger_has_not_is_declined_by_a_person(
    admin: ClientSession, database: Database, played: Played
) -> None:
    order_id = await unknown(database, played)
    assert (await resolve(admin, order_id, "declined"))[0] == 202
    payment = await reaches(database, order_id, State.DECLINED)
    assert payment.reason == "declined by ada: the bank says so"
    assert await events(database) == ["payments.declined"]


async def test_a_capture_that_was_declined_says_why_in_the_words_of_the_provider(
    admin: ClientSession, database: Database, played: Played
) -> None:
    order_id = await unknown(database, played)
    played.ledger = provider.Declined("card_declined")
    assert (await resolve(admin, order_id, "declined"))[0] == 202
    assert (await reaches(database, order_id, State.DECLINED)).reason == "card_declined"


@pytest.mark.parametrize(
    ("ledger", "outcome", "says"),
    [
        (provider.Captured("R1"), "declined", "captured"),
        (provider.Declined("card_declined"), "captured", "declined"),
        (None, "captured", "nothing"),
    ],
)
async def test_nobody_says_otherwise_than_the_ledger(
    admin: ClientSession,
    database: Database,
    played: Played,
    ledger: provider.Captured | provider.Declined | None,
    outcome: str,
    says: str,
) -> None:
    order_id = await unknown(database, played)
    played.ledger = ledger
    status, problem = await resolve(admin, order_id, outcome)
    assert (status, problem["ledger"]) == (409, says)
    assert (await store.get(database, order_id)).resolved is None
    assert (await ask(admin, f"/{order_id}"))[1]["interventions"] == []


async def test_what_the_ledger_has_got_meanwhile_counts_more_than_a_persons_word(
    admin: ClientSession, database: Database, played: Played
) -> None:
    order_id = await unknown(database, played)
    played.entered_after_a_look = provider.Captured("R1")
    assert (await resolve(admin, order_id, "declined"))[0] == 202
    assert (await reaches(database, order_id, State.CAPTURED)).reference == "R1"


@pytest.mark.parametrize(
    ("error", "expected"), [(NEVER, 503), (PermanentError("GET /captures: 403"), 502)]
)
async def test_nothing_is_resolved_while_the_ledger_cannot_be_asked(
    admin: ClientSession, database: Database, played: Played, error: Exception, expected: int
) -> None:
    order_id = await unknown(database, played)
    played.ledger = error
    assert (await resolve(admin, order_id, "declined"))[0] == expected
    assert (await store.get(database, order_id)).state is State.UNKNOWN


async def test_a_capture_that_became_a_dead_letter_can_be_resolved(
    admin: ClientSession, database: Database, played: Played
) -> None:
    played.captures = [PermanentError("400")]
    order_id = await open_payment(database, State.CAPTURING, Capture)
    await holds(database, "state = 'dead'")
    assert (await resolve(admin, order_id, "declined"))[0] == 202
    await reaches(database, order_id, State.DECLINED)
    assert await database.fetch("select from tallystick.deferred") == []


@pytest.mark.parametrize("state", [State.CAPTURED, State.REFUNDING])
async def test_what_is_known_needs_no_answer(
    admin: ClientSession, database: Database, played: Played, state: State
) -> None:
    order_id = await open_payment(database, state, Refund)
    status, problem = await resolve(admin, order_id, "captured")
    assert (status, problem["state"]) == (409, state)


async def test_a_refused_refund_is_listed_and_asked_for_again(
    admin: ClientSession, database: Database, played: Played
) -> None:
    played.refunded = provider.RefundRefused("not today")
    order_id = await open_payment(database, State.REFUNDING, Refund)
    async with asyncio.timeout(10):
        while not (listed := (await ask(admin, ""))[1]["parked"]):
            await asyncio.sleep(0.02)
    assert [(p["order_id"], p["parked"]) for p in listed] == [
        (str(order_id), "refund refused: not today")
    ]
    status, shown = await ask(admin, f"/{order_id}/retry", ACT)
    assert (status, shown["interventions"][0]["action"]) == (200, "retry")
    played.refunded = provider.Refunded()
    assert (await reaches(database, order_id, State.REFUNDED)).parked is None
    assert (await ask(admin, ""))[1] == {"parked": [], "next": None}


async def test_an_unknown_capture_is_asked_for_again_at_once(
    admin: ClientSession, database: Database, played: Played
) -> None:
    order_id = await unknown(database, played)
    played.captures = [provider.Captured("R1")]
    assert (await ask(admin, f"/{order_id}/retry", ACT))[0] == 200
    await reaches(database, order_id, State.CAPTURED)


async def test_what_waits_for_nothing_is_not_retried(
    admin: ClientSession, database: Database, played: Played
) -> None:
    order_id = await open_payment(database, State.CAPTURED, Refund)
    assert (await ask(admin, f"/{order_id}/retry", ACT))[0] == 409


@pytest.mark.parametrize("outcome", ["cancelled", "refunded", "", 1])
async def test_an_outcome_that_is_not_ours_is_refused(
    admin: ClientSession, database: Database, outcome: object
) -> None:
    status, problem = await ask(admin, f"/{uuid7()}/resolve", ACT | {"as": outcome})
    assert (status, problem["errors"][0]["field"]) == (422, "as")


@pytest.mark.parametrize("path", ["", "/retry", "/resolve"])
async def test_an_unknown_payment_is_not_found(
    admin: ClientSession, played: Played, path: str
) -> None:
    body = None if not path else ACT | ({"as": "declined"} if "resolve" in path else {})
    assert (await ask(admin, f"/{UUID(int=7)}{path}", body))[0] == 404
