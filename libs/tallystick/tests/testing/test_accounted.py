"""`accounted` waits for all messages of the services under test, and names those that are not."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.error import HTTPError

import nats as nats_client
import pytest
from fastapi import APIRouter, FastAPI
from nats.aio.client import Client
from pydantic_settings import SettingsConfigDict
from uuid_utils.compat import uuid7

import tallystick
from libs.tallystick.tests.account.looked import forget, looked
from tallystick import Database, Delivery, Event, Router, service
from tallystick.testing import (
    NatsServer,
    NotAccounted,
    PostgresServer,
    accounted,
    free_port,
    migrate,
    served,
)
from tallystick.topology import declared, pause, reconcile, resume

TOKEN = "a-token-of-enough-length"
GONE = "mill-gone"
MAIL = "mill-mail"  # nothing declares it, so no replica of the mill looks
LATER = int((time.time() + 3600) * 1000)


class Ground(Event, name="mill.ground", key="grain"):
    grain: str


router = Router("mill")


@router.on(Ground, durable="mill-counts", idempotent=True)
async def count(event: Ground, delivery: Delivery) -> None: ...


class Settings(tallystick.Settings):
    model_config = SettingsConfigDict(env_prefix="MILL_")


@pytest.fixture(scope="module")
async def mill(postgres: PostgresServer) -> AsyncIterator[FastAPI]:
    """A service without a broker, which has no durable with an inbox."""
    url = await postgres.create_database(f"mill-{uuid7()}")
    await migrate("tallystick.testing", url)
    settings = Settings(
        database_url=url, nats_url="nats://127.0.0.1:9", admin_port=free_port(), admin_token=TOKEN
    )
    app = service(settings, router, APIRouter())
    async with served(app):
        yield app


@pytest.fixture
async def database(mill: FastAPI) -> AsyncIterator[Database]:
    database: Database = mill.state.composition.runtime.parts.database
    yield database
    await forget(database, MAIL, GONE)


@pytest.fixture(params=["here", "there"])
def under_test(request: pytest.FixtureRequest, mill: FastAPI) -> tuple[Any, dict[str, str]]:
    """The service as an app of this process, or by the URL of its admin port."""
    if request.param == "here":
        return mill, {}
    return f"http://127.0.0.1:{mill.state.composition.settings.admin_port}", {"token": TOKEN}


Under = tuple[Any, dict[str, str]]


async def test_it_returns_once_both_sides_agree_past_the_call(
    under_test: Under, database: Database
) -> None:
    of, token = under_test
    before = int(time.time() * 1000) - 1000
    await looked(database, MAIL, "orders", agrees_until=before)
    waiting = asyncio.create_task(accounted(of, **token, within=20))
    done, _ = await asyncio.wait([waiting], timeout=0.5)
    assert not done  # what agreed before it was asked says nothing about what is asked
    await looked(database, MAIL, "orders", agrees_until=LATER)
    await waiting


async def test_what_is_deferred_or_dead_is_accounted_for(
    under_test: Under, database: Database
) -> None:
    of, token = under_test
    await looked(database, MAIL, "orders", agrees_until=LATER, deferred=2, dead=1)
    await accounted(of, **token, within=1)


async def test_what_is_missing_or_unknown_is_named_when_time_is_up(
    under_test: Under, database: Database
) -> None:
    of, token = under_test
    lost, forged = uuid7(), uuid7()
    found: dict[str, Any] = {"missing": 1, "missing_ids": [lost], "unknown": (forged,)}
    await looked(database, MAIL, "orders", agrees_until=LATER, **found)
    with pytest.raises(NotAccounted) as told:
        await accounted(of, **token, within=0.1)
    assert str(told.value).splitlines() == [
        "after 0.1 s:",
        "mill-mail of orders: 1 missing, 1 unknown",
        f"  missing mill-mail of orders: {lost}",
        f"  unknown mill-mail of orders: {forged}",
    ]


async def test_what_does_not_agree_in_time_says_what_it_waits_for(
    mill: FastAPI, database: Database
) -> None:
    await looked(database, MAIL, "orders", waits_for="orders does not answer", on_its_way=3)
    with pytest.raises(NotAccounted, match="orders does not answer, 3 on its way, agrees until "):
        await accounted(mill, within=0.1)


async def test_a_service_that_does_not_answer_is_named(mill: FastAPI, database: Database) -> None:
    await looked(database, MAIL, "orders", agrees_until=LATER)
    nobody = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(NotAccounted, match=f"{nobody} does not answer: "):
        await accounted(mill, nobody, token=TOKEN, within=0.1)


async def test_a_token_that_is_refused_ends_it_at_once(mill: FastAPI) -> None:
    url = f"http://127.0.0.1:{mill.state.composition.settings.admin_port}"
    with pytest.raises(HTTPError, match="401"):
        await accounted(url, token="another")


async def test_a_durable_that_is_abandoned_is_not_waited_for(
    mill: FastAPI, database: Database
) -> None:
    await looked(database, MAIL, "orders", agrees_until=LATER)
    await looked(database, GONE, "orders", seconds_ago=181)
    await accounted(mill, within=1)


async def test_services_without_an_inbox_are_never_accounted_for(mill: FastAPI) -> None:
    with pytest.raises(NotAccounted, match="none of these services has a durable that keeps an"):
        await accounted(mill)


class Mill:
    """A mill that reads what it publishes, and compares it every second."""

    def __init__(self, app: FastAPI, client: Client) -> None:
        self.app = app
        self.client = client
        self.database: Database = app.state.composition.runtime.parts.database


@pytest.fixture
async def grinding(postgres: PostgresServer, nats: NatsServer) -> AsyncIterator[Mill]:
    reading = Router("mill")

    @reading.on(Ground, durable="mill-sacks")
    async def fill(event: Ground, delivery: Delivery) -> None:
        await delivery.commit()

    await nats.clean()
    url = await postgres.create_database(f"mill-{uuid7()}")
    await migrate("tallystick.testing", url)
    client = await nats_client.connect(nats.url)
    assert await reconcile(client, [declared(reading)]) == []
    settings = Settings(database_url=url, nats_url=nats.url, admin_port=0, account_period_s=1)
    app = service(settings, reading, APIRouter())
    async with served(app):
        yield Mill(app, client)
    await client.close()


async def test_what_a_service_publishes_and_reads_is_accounted_for_in_some_periods(
    grinding: Mill,
) -> None:
    """Not once the periods are closed, which takes a minute."""
    for count in (100, 200):
        await grinding.database.commit(*(Ground(grain=str(uuid7())) for _ in range(100)))
        await accounted(grinding.app, within=30)
        rows = await grinding.database.fetch("select from tallystick.inbox")
        assert len(rows) == count


async def test_a_message_that_waits_is_waited_for(grinding: Mill) -> None:
    """Its reader is paused until the account has been asked for some time."""
    await accounted(grinding.app, within=30)
    await pause(grinding.client, "MILL", "mill-sacks")
    await grinding.database.commit(Ground(grain="wheat"))
    with pytest.raises(NotAccounted, match=r"mill-sacks of mill: .*agrees until"):
        await accounted(grinding.app, within=6)
    await resume(grinding.client, "MILL", "mill-sacks")
    await accounted(grinding.app, within=60)
    assert len(await grinding.database.fetch("select from tallystick.inbox")) == 1
