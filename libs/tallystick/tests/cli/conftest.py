"""A shop that runs in this process, where all can happen to an item, and the command `tally`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import nats as nats_client
import pytest
import structlog
from fastapi import APIRouter
from nats.aio.client import Client
from pydantic_settings import SettingsConfigDict
from typer.testing import CliRunner, Result
from uuid_utils.compat import uuid7

import tallystick
from tallystick import (
    Database,
    Delivery,
    Effect,
    Event,
    Job,
    PermanentError,
    Router,
    TemporaryError,
    Write,
    service,
)
from tallystick._cli import app
from tallystick.testing import NatsServer, PostgresServer, free_port, migrate, served
from tallystick.testing.known import KNOWN
from tallystick.topology import declared, reconcile

TOKEN = "a-token-of-enough-length"


class Sold(Event, name="shop.sold", key="item"):
    item: str
    wish: str = ""


class Charge(Effect, name="shop.charge", key="item"):
    item: str


class Insure(Effect, name="shop.insure", key="item"):
    item: str


class Pack(Job, name="shop.pack", key="item"):
    item: str


router = Router("shop")


@router.on(Sold, durable="shop-books")
async def book(event: Sold, delivery: Delivery) -> None:
    if event.wish == "gift":
        return
    insured = [Insure(item=event.item)] if event.wish == "insured" else []
    await delivery.commit(Charge(item=event.item), Pack(item=event.item), *insured)


class Illness:
    """What keeps letters from being written, until it is healed."""

    healed = False


@router.on(Sold, durable="shop-letters")
async def write_letter(event: Sold, delivery: Delivery) -> None:
    if event.wish in ("dead", "gift") and not Illness.healed:
        raise PermanentError("nobody can be\x1b[31m written to")
    await delivery.commit(Write("insert into letters (item) values ($1)", (event.item,)))


@router.on(Sold, durable="shop-counts", idempotent=True)
async def count(event: Sold, delivery: Delivery) -> None: ...


@router.effect(Charge)
async def charge(effect: Charge, delivery: Delivery) -> None:
    if delivery.attempt == 1:
        raise TemporaryError("the bank is closed", delay=0.01)


@router.effect(Insure)
async def insure(effect: Insure, delivery: Delivery) -> None:
    raise TemporaryError("the insurer sleeps", delay=3600)


@router.job(Pack, durable="shop-packers")
async def pack(job: Pack, delivery: Delivery) -> None: ...


class Settings(tallystick.Settings):
    model_config = SettingsConfigDict(env_prefix="SHOP_")


class Shop:
    """The running shop: what it knows, and what `tally` has to know of it."""

    def __init__(self, runtime: Any, client: Client, admin: str) -> None:
        self.runtime = runtime
        self.database: Database = runtime.parts.database
        self.client = client
        self.env = {
            "TALLY_NATS_URL": runtime.parts.connection.url,
            "TALLY_ADMIN": f"shop={admin}",
            "TALLY_ADMIN_TOKEN": TOKEN,
        }

    async def sell(self, wish: str = "") -> str:
        """The id of an item that was sold, once all is done for it that can be done.

        The inbox keeps what an idempotent handler has done only if it came twice.
        """
        item = str(uuid7())
        await self.database.commit(Sold(item=item, wish=wish))
        done = 3 if wish == "dead" else 4
        await self.until(
            f"""(select count(*) from {KNOWN} where state = 'done' and (id = '{item}'
            or id in (select id::text from tallystick.outbox where key = '{item}'))
            and durable <> 'shop-counts') = {done}
            and not exists (select from tallystick.outbox where sent_at is null)
            and not exists (select from tallystick.deferred where replica is not null)"""
        )
        if wish == "insured":
            await self.until(
                "exists (select from tallystick.deferred"
                f" where error is not null and id = '{item}')"
            )
        return item

    async def dead(self) -> str:
        """The id of a message that one durable could not handle."""
        item = await self.sell("dead")
        sold = "select id from tallystick.outbox where key = $1 and subject like 'evt.shop.sold.%'"
        return str((await self.database.fetch(sold, item))[0][0])

    async def dead_many(self, count: int) -> set[str]:
        """So many items of which one durable could not handle the message, and nobody charged."""
        items = {str(uuid7()) for _ in range(count)}
        await self.database.commit(*(Sold(item=item, wish="gift") for item in items))
        await self.until(
            f"(select count(*) = {count} from tallystick.deferred where state = 'dead')", 60
        )
        return items

    async def kill_waiting(self) -> None:
        """Turn what waits into dead letters, as if its time had passed."""
        await self.database.fetch(
            """update tallystick.deferred set state = 'dead', reason = 'exhausted', due_at = now(),
            lease = lease + 1 where state = 'waiting'"""
        )

    async def give_up(self) -> None:
        """Forget all dead letters, so that a test sees its own only."""
        await self.database.fetch("delete from tallystick.deferred where state <> 'waiting'")

    @contextmanager
    def healed(self) -> Iterator[None]:
        """Remove the fault that made messages dead letters."""
        Illness.healed = True
        try:
            yield
        finally:
            Illness.healed = False

    async def until(self, condition: str, within: float = 20) -> None:
        """Returns when a condition holds in the database."""
        async with asyncio.timeout(within):
            while not await self.database.fetch(f"select where {condition}"):
                await asyncio.sleep(0.02)


@pytest.fixture(scope="package")
async def shop(postgres: PostgresServer, nats: NatsServer) -> AsyncIterator[Shop]:
    """The shop with its streams, on a database of its own."""
    await nats.clean()
    url = await postgres.create_database(f"cli-{uuid7()}")
    await migrate("tallystick.testing", url)
    await create_letters(url)
    port = free_port()
    settings = Settings(
        database_url=url, nats_url=nats.url, admin_port=port, admin_token=TOKEN, sweep_s=0.1
    )
    composed = service(settings, router, APIRouter())
    client = await connect(nats.url)
    assert await reconcile(client, [declared(router)]) == []
    async with served(composed):
        runtime = composed.state.composition.runtime
        yield Shop(runtime, client, f"http://127.0.0.1:{port}")
    await client.close()


async def create_letters(url: str) -> None:
    """A table that shows what was written twice: nothing in it is unique."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "create table letters (item text, written_at timestamptz default now())"
    )
    await connection.close()


async def connect(url: str) -> Client:
    return await nats_client.connect(url)


Tally = Callable[..., Any]


@pytest.fixture
def tally(shop: Shop) -> Tally:
    """Runs the command as a program would run beside the shop; returns how it ended."""

    async def run(*arguments: str, env: dict[str, str] | None = None, **more: Any) -> Result:
        def invoke() -> Result:
            return CliRunner().invoke(app, arguments, env={**shop.env, **(env or {})}, **more)

        return await asyncio.to_thread(invoke)

    return run


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The shop logs into nothing, and the commands into outputs that end with them."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    structlog.configure(
        processors=[structlog.processors.KeyValueRenderer()],
        logger_factory=structlog.ReturnLoggerFactory(),
    )
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
