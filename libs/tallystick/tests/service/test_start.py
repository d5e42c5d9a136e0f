"""Faults that would keep a service from its messages are reported at start and while it runs."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
from fastapi import APIRouter
from nats.aio.client import Client
from prometheus_client import REGISTRY
from pydantic_settings import SettingsConfigDict
from structlog.testing import capture_logs

from tallystick import Delivery, Effect, Event, Request, Router, Settings, service
from tallystick._database.kept import Kept
from tallystick._service.assembly import assemble
from tallystick._service.runtime import Runtime, check_broker, check_kept
from tallystick._telemetry.metrics import BROKER_CONNECTED, forget
from tallystick.errors import DeclarationError, InvalidSettings
from tallystick.testing import eventually

Run = Callable[..., AbstractAsyncContextManager[Runtime]]
NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"


class Sold(Event, name="shop.sold", key="item"):
    item: int


class Charge(Effect, name="shop.charge", key="item"):
    item: int


class Price(Request[int], name="shop.price"):
    item: int


class ShopSettings(Settings):
    model_config = SettingsConfigDict(env_prefix="SHOP_")


async def book(event: Sold, delivery: Delivery) -> None: ...


async def charge(effect: Charge, delivery: Delivery) -> None: ...


async def price(request: Price) -> int:
    return request.item


def reads(router: Router) -> None:
    router.on(Sold, durable="shop-books", role="books")(book)


@pytest.fixture
def routing() -> Router:
    router = Router("shop")
    reads(router)
    return router


@pytest.mark.parametrize(
    ("router", "declare", "named"),
    [
        (Router("shop"), reads, "shop-books"),
        (Router("shop"), lambda r: r.reply(Price)(price), "dev.tallystick.shop.price.v1"),
        (Router("shop", requests=[Price]), lambda _: None, "dev.tallystick.shop.price.v1"),
        (Router("shop", history=[Sold]), lambda _: None, "dev.tallystick.shop.sold.v1"),
    ],
)
async def test_a_service_that_receives_messages_must_name_a_broker(
    router: Router, declare: Callable[[Router], Any], named: str
) -> None:
    declare(router)
    app = service(ShopSettings(database_url=NOWHERE), router, APIRouter())
    with pytest.raises(
        InvalidSettings, match=f"shop: SHOP_NATS_URL is missing: set it for {named}"
    ):
        async with app.state.composition.runtime.running():
            pass


@pytest.mark.parametrize(("days", "starts"), [(8.9, False), (9, True), (30, True)])
def test_a_service_keeps_messages_for_longer_than_streams_do(days: float, starts: bool) -> None:
    settings, kept = ShopSettings(database_url=NOWHERE, keep_days=days), Kept(timedelta(days=days))
    if starts:
        check_kept("shop", settings, kept)
        return
    with pytest.raises(InvalidSettings, match=r"shop: SHOP_KEEP_DAYS is 8\.9, .* at least 9"):
        check_kept("shop", settings, kept)


def test_a_service_that_receives_none_needs_no_broker() -> None:
    router = Router("shop")
    router.effect(Charge)(charge)
    reads(router)
    check_broker(ShopSettings(database_url=NOWHERE, run="api,events"), router)


def test_the_router_and_the_settings_have_one_name() -> None:
    with pytest.raises(DeclarationError, match=r'Router\("depot"\) and SHOP_ name two services'):
        service(ShopSettings(database_url=NOWHERE), Router("depot"), APIRouter())


@pytest.mark.parametrize("shared", [True, False])
def test_two_resources_of_one_class_are_refused(shared: bool) -> None:
    one = AsyncExitStack()
    given = (one, one) if shared else (one, AsyncExitStack())
    with pytest.raises(DeclarationError, match="two resources of the class AsyncExitStack"):
        service(ShopSettings(database_url=NOWHERE), Router("shop"), APIRouter(), *given)


def test_an_object_that_cannot_be_entered_is_no_resource() -> None:
    resources: Any = [AsyncExitStack()]
    with pytest.raises(DeclarationError, match="a list is not a resource"):
        service(ShopSettings(database_url=NOWHERE), Router("shop"), APIRouter(), resources)


def is_ready() -> bool:
    labels = {"durable": "shop-books"}
    return REGISTRY.get_sample_value("messaging_durable_ready", labels) == 1


def connections(address: str) -> list[float]:
    """What is told of connections to a broker; other tests had connections to others."""
    return [
        sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
        if sample.name == "messaging_client_connected" and address in sample.labels.values()
    ]


async def test_only_a_service_with_a_broker_tells_whether_it_is_connected(run: Run) -> None:
    async with run(Router("shop")) as runtime:
        address = runtime.parts.connection.address
        await eventually(lambda: connections(address) == [1])
    forget(BROKER_CONNECTED, address)
    charging = Router("shop")
    charging.effect(Charge)(charge)
    async with run(charging, nats_url=None) as runtime:
        assert connections(address) == connections(runtime.parts.connection.address) == []


async def test_a_durable_that_is_not_as_declared_is_shown(
    run: Run, routing: Router, client: Client
) -> None:
    async with run(routing, sweep_s=0.05) as runtime:
        await eventually(is_ready)
        assert (await runtime.ready())[1]["durables"] == {}
        with capture_logs() as lines:
            await client.jetstream().delete_consumer("SHOP", "shop-books")
            await eventually(lambda: not is_ready(), within=15)
        state = (await runtime.ready())[1]
        assert state["durables"] == {"shop-books": "durable SHOP/shop-books is missing"}
    assert [line["differs"] for line in lines if line["event"] == "durable not ready"]


def test_a_durable_that_was_not_verified_is_not_ready(routing: Router) -> None:
    settings = ShopSettings(database_url=NOWHERE, nats_url="nats://127.0.0.1:1")
    listening = assemble(settings, routing, ()).listening
    assert listening.differs == {"shop-books": "not looked at yet"}
    assert not is_ready()
