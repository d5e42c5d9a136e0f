from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tallystick import Delivery, Effect, Event, Job, Retry, Router
from tallystick._delivery.attempts import Attempts
from tallystick._messages.binding import UnknownType
from tallystick._messages.envelope import header_lines
from tallystick._messages.inbound import Inbound
from tallystick.errors import DeclarationError, InvalidMessage


class Sold(Event, name="shop.sold", key="item"):
    item: str


class SoldLater(Event, name="shop.sold", version=2, key="item"):
    item: str
    day: str


class Moved(Event, name="depot.moved", key="item"):
    item: str


class Charge(Effect, name="shop.charge", key="item"):
    item: str


class Pack(Job, name="shop.pack", key="item"):
    item: str


class SoldTwin(Event, name="shop.sold", key="item"):
    item: str


class Till:
    """A resource."""


async def on_sold(event: Sold, delivery: Delivery, till: Till) -> None: ...


async def anything(message: Any, delivery: Delivery) -> None: ...


async def charge(effect: Charge, delivery: Delivery) -> None: ...


async def pack(job: Pack, delivery: Delivery) -> None: ...


@pytest.fixture
def router() -> Router:
    return Router("shop")


def delivered(ce_type: str, body: bytes = b'{"item":"mug"}') -> Inbound:
    return Inbound("shop-sold", "shop", "1", "evt.x", header_lines({"ce-type": ce_type}), body)


def test_a_handler_is_found_by_its_durable_and_stays_a_function(router: Router) -> None:
    assert router.on(Sold, durable="shop-sold", concurrency=3)(on_sold) is on_sold
    binding = router.bindings["shop-sold"]
    assert (binding.handler, binding.types, binding.concurrency) == (on_sold, (Sold,), 3)
    assert (binding.kind, binding.stream) == ("event", "SHOP")
    assert binding.resources == (Till,)


def test_events_of_one_stream_may_share_a_durable(router: Router) -> None:
    @router.on(Sold, SoldLater, durable="shop-sold")
    async def on_either(event: Sold | SoldLater, delivery: Delivery) -> None: ...

    binding = router.bindings["shop-sold"]
    assert binding.template == "evt.shop.sold.v1,evt.shop.sold.v2"
    assert binding.decode(delivered("dev.tallystick.shop.sold.v1")) == Sold(item="mug")
    later = binding.decode(delivered("dev.tallystick.shop.sold.v2", b'{"item":"mug","day":"x"}'))
    assert later == SoldLater(item="mug", day="x")


def test_another_type_is_unknown_and_may_be_known_to_another_release(router: Router) -> None:
    router.on(Sold, durable="shop-sold")(on_sold)
    with pytest.raises(UnknownType, match="shop-sold knows no message of type"):
        router.bindings["shop-sold"].decode(delivered("dev.tallystick.shop.sold.v9"))


@pytest.mark.parametrize("ce_type", ["", "com.example.sold", "dev.tallystick.a.b.v1\0"])
def test_what_no_release_can_know_is_invalid(router: Router, ce_type: str) -> None:
    router.on(Sold, durable="shop-sold")(on_sold)
    with pytest.raises(InvalidMessage, match="not a type of this library"):
        router.bindings["shop-sold"].decode(delivered(ce_type))


def test_a_known_type_with_another_body_is_invalid(router: Router) -> None:
    router.on(Sold, durable="shop-sold")(on_sold)
    with pytest.raises(InvalidMessage):
        router.bindings["shop-sold"].decode(delivered("dev.tallystick.shop.sold.v1", b"{}"))


def test_an_effect_is_named_by_its_message(router: Router) -> None:
    router.effect(Charge, give_up_after=timedelta(hours=1), retry=Retry(attempts=2))(charge)
    binding = router.bindings["shop-charge"]
    assert (binding.retry.give_up_after, binding.retry.attempts) == (timedelta(hours=1), 2)
    assert binding.kind == "effect"


@pytest.mark.parametrize("name", ["", "Shop", "my shop", "my-shop", "1shop"])
def test_a_router_is_named_by_a_lower_case_word(name: str) -> None:
    with pytest.raises(DeclarationError, match="lower-case word"):
        Router(name)


@pytest.mark.parametrize(
    ("declare", "reason"),
    [
        (lambda r: r.on(Sold, Moved, durable="shop-all"), "all of one stream"),
        (lambda r: r.on(durable="shop-none"), "all of one stream"),
        (lambda r: r.on(Charge, durable="shop-charge"), "kept in no stream"),
        (lambda r: r.on(Pack, durable="shop-pack"), "must read events"),
        (lambda r: r.on(Sold, durable="shop"), "not of the form shop-<purpose>"),
        (lambda r: r.on(Sold, durable="depot-sold"), "not of the form shop-<purpose>"),
        (lambda r: r.on(Sold, durable="shop-Sold"), "not of the form shop-<purpose>"),
        (
            lambda r: r.on(Sold, durable="shop-sold", concurrency=0),
            "concurrency must be a whole number",
        ),
        (lambda r: r.on(Sold, durable="shop-sold", concurrency="4"), "must be a whole number"),
        (
            lambda r: r.on(Sold, durable="shop-sold", deadline=30),
            "deadline must be a timedelta above zero, not 30",
        ),
        (lambda r: r.on(Sold, durable="shop-sold", retry=3), "retry= must be a Retry"),
        (lambda r: r.on([Sold, SoldLater], durable="shop-sold"), "is not a message class"),
        (lambda r: r.on(Sold, Sold, durable="shop-sold"), "an event is named twice"),
        (lambda r: r.on(Sold, SoldTwin, durable="shop-sold"), "an event is named twice"),
        (lambda r: r.on(SoldTwin, durable="shop-sold"), "the name of two classes"),
        (lambda r: r.effect(Sold), "not an effect of shop"),
        (lambda r: r.effect(Charge, rate=0), "above 0"),
        (lambda r: r.effect(Charge, breaker=0), "from 1 on"),
        (
            lambda r: r.effect(Charge, give_up_after=60),
            "give_up_after must be a timedelta above zero, not 60",
        ),
        (lambda r: r.job(Pack, durable="shop-again"), "done by shop-pack already"),
        (lambda r: r.every("1"), "needs a number of seconds"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_an_error(
    router: Router, declare: Callable[[Router], Callable[[Any], Any]], reason: str
) -> None:
    router.job(Pack, durable="shop-pack")(pack)
    router.on(Sold, durable="shop-first")(on_sold)
    with pytest.raises(DeclarationError, match=reason):
        declare(router)(anything)


@pytest.mark.parametrize(
    ("declare", "reason"),
    [
        (lambda: Router("shop", requests=[Sold]), "which is not of the kind request"),  # type: ignore[list-item]  # what it is about
        (lambda: Router("shop", history=[Charge]), "which is not of the kind event"),  # type: ignore[list-item]  # the same
        (lambda: Router("shop", history=[Sold, SoldTwin]), "the name of two classes"),
        (lambda: Retry(attempts="3"), "attempts must be a whole number"),  # type: ignore[arg-type]  # the same
        (lambda: Retry(first="1"), "numbers of seconds"),  # type: ignore[arg-type]  # the same
        (lambda: Retry(give_up_after=60), "must be a timedelta"),  # type: ignore[arg-type]  # the same
    ],
)
def test_what_is_declared_has_the_right_type(declare: Callable[[], Any], reason: str) -> None:
    with pytest.raises(DeclarationError, match=reason):
        declare()


def test_an_effect_of_another_service_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"shop\.charge is not an effect of depot"):
        Router("depot").effect(Charge)


def test_a_durable_has_one_handler(router: Router) -> None:
    router.on(Sold, durable="shop-sold")(on_sold)
    with pytest.raises(DeclarationError, match="has a handler already"):
        router.on(Sold, durable="shop-sold")(on_sold)


def test_a_resource_that_nobody_gave_is_found_at_the_start(router: Router) -> None:
    router.on(Sold, durable="shop-sold")(on_sold)
    attempts = Attempts(None, None, None, {}, 1)  # type: ignore[arg-type]  # only asked for resources
    with pytest.raises(DeclarationError, match="on_sold asks for a Till, service"):
        attempts.check(router.bindings["shop-sold"])
    Attempts(None, None, None, {Till: Till()}, 1).check(router.bindings["shop-sold"])  # type: ignore[arg-type]  # the same


def test_a_periodic_handler_is_declared_with_its_role_and_resources(
    router: Router,
) -> None:
    async def look(till: Till) -> None: ...

    router.every(2, role="looks")(look)
    (act,) = router.periodic
    assert (act.seconds, act.handler, act.role) == (2, look, "looks")
    assert "looks" in router.roles
    attempts = Attempts(None, None, None, {}, 1)  # type: ignore[arg-type]  # only asked for resources
    with pytest.raises(DeclarationError, match="look asks for a Till"):
        attempts.check(act)


def test_a_periodic_handler_needs_a_pause(router: Router) -> None:
    with pytest.raises(DeclarationError, match="needs a number of seconds"):
        router.every(0)
