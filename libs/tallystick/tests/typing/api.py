"""The public face as its users type it: `mypy` reads this, nothing runs it.

A change that breaks a user's annotations breaks this file first.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self, assert_type

from fastapi import APIRouter, FastAPI
from msgspec import Struct
from starlette.responses import Response

from tallystick import (
    Broker,
    Conflict,
    Database,
    Delivery,
    Effect,
    Event,
    Idempotency,
    Job,
    PermanentError,
    Problem,
    Recorded,
    Request,
    Retry,
    Router,
    Settings,
    Stoppable,
    TallystickError,
    TemporaryError,
    Transaction,
    Write,
    resource,
    service,
)
from tallystick.errors import (
    BrokerUnavailable,
    DatabaseUnavailable,
    DeclarationError,
    InDoubt,
    InvalidMessage,
    InvalidSettings,
    MigrationFailed,
    NotStored,
    PortTaken,
    Refused,
    RequestFailed,
)
from tallystick.outside import Answer, CallRefused, Client, NoAnswer
from tallystick.testing import Decided, Harness


class Placed(Event, name="shop.placed", version=1, key="item", sequence="number"):
    item: str
    number: int


class Pack(Job, name="shop.pack", key="item"):
    item: str


class Price(Struct):
    cents: int


class AskPrice(Request[Price], name="shop.price"):
    item: str


class Charge(Effect, name="shop.charge", key="item"):
    item: str


class Bank:
    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    def stopping(self) -> None: ...


class Gateway(Client):
    def __init__(self, url: str) -> None:
        super().__init__("gateway", url, timeout_s=2.0)

    async def price(self, item: str) -> Price | None:
        try:
            answer = await self.get(f"/prices/{item}", answers=(200, 404))
            assert_type(await self.post("/prices", {"item": item}, key=item), Answer)
        except NoAnswer as error:
            assert_type(error.delay, float | None)
            raise
        except CallRefused:
            return None
        return answer.read(Price, cents=5) if answer.status == 200 else None


stoppable: Stoppable = Bank()
router = Router("shop", requests=[AskPrice], history=[Placed])
patient = Retry(attempts=8, first=0.2, longest=60.0, give_up_after=timedelta(days=1))


async def forget(delivery: Delivery, database: Database) -> None:
    delivery.commit()  # type: ignore[unused-coroutine]  # what a type checker is to say
    database.commit()  # type: ignore[unused-coroutine]  # what a type checker is to say


@router.on(Placed, durable="shop-books", retry=patient, deadline=timedelta(seconds=5))
async def book(event: Placed, delivery: Delivery) -> None:
    assert_type(event.item, str)
    assert_type(delivery.id, str)
    assert_type(delivery.source, str)
    assert_type(delivery.correlation_id, str)
    assert_type(delivery.attempt, int)
    assert_type(delivery.database, Database)
    assert_type(delivery.starts(Charge(item=event.item)), bool)
    assert_type(delivery.withdraw(Charge(item=event.item)), Write)
    async with delivery.transaction() as transaction:
        assert_type(transaction, Transaction)
        assert_type(await transaction.fetch("select 1"), list[Any])
        await transaction.execute("select $1", 1)
        transaction.add(Pack(item=event.item))
    await delivery.commit(Write("select $1", (1,), guard=1), Pack(item="a"), Charge(item="a"))


@router.job(Pack, durable="shop-packers", concurrency=4)
async def pack(job: Pack, delivery: Delivery, bank: Bank) -> None: ...


@router.effect(Charge, give_up_after=timedelta(days=1), rate=100.0, breaker=5)
async def charge(effect: Charge, delivery: Delivery) -> None:
    raise TemporaryError("not now", delay=1.0)


@router.reply(AskPrice)
async def price(request: AskPrice) -> Price:
    raise PermanentError


@router.every(60)
async def tidy(database: Database) -> None:
    await database.commit(database.reschedule(Charge(item="a")))


api = APIRouter()


@api.post("/things")
async def place(
    database: Annotated[Database, resource(Database)], idempotency: Idempotency
) -> Response:
    row = await database.get("select 1 where 1 = any($1)", 1)
    if row is None:
        raise Problem(404, "No such thing", detail="d", type="urn:x", headers={"a": "b"}, more=1)
    if (stored := await idempotency.stored("scope")) is not None:
        return stored
    assert_type(await idempotency.commit("scope", Response(), Write("select 1")), Response)
    async with database.transaction() as transaction:
        assert_type(transaction, Transaction)
    return Response()


async def at_the_broker(broker: Broker) -> None:
    assert_type(broker.is_connected, bool)
    await broker.publish(Placed(item="a", number=1))
    assert_type(await broker.request(AskPrice(item="a"), within=1.0), Price)
    history = broker.history(Placed, since=datetime.now(UTC), follow=True)
    assert_type(history, AsyncIterator[Recorded])
    async for recorded in history:
        assert_type(recorded.headers, dict[str, str])
        assert_type(recorded.sequence, int)


class Chosen(Settings):
    limit: int = 5


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    yield


def app(settings: Chosen) -> FastAPI:
    given: AbstractAsyncContextManager[Any] = Bank()
    made = service(settings, router, api, given, admin=APIRouter())
    assert_type(made, FastAPI)
    return made


async def tested() -> None:
    harness = Harness(router, Bank(), slots=False)
    decided = await harness.give(Pack(item="a"), attempt=1, durable="shop-packers", conflicts=0)
    assert_type(decided, Decided)
    assert_type(decided.writes, tuple[Write, ...])
    assert_type(decided.effects, tuple[Effect, ...])


ERRORS: tuple[type[TallystickError], ...] = (
    BrokerUnavailable,
    Conflict,
    DatabaseUnavailable,
    DeclarationError,
    InDoubt,
    InvalidMessage,
    InvalidSettings,
    MigrationFailed,
    NotStored,
    PortTaken,
    Refused,
    RequestFailed,
)
