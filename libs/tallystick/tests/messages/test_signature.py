"""A handler that could not be called is refused where it is declared, each with one sentence."""

import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tallystick import Database, Delivery, Effect, Event, Job, Request, Router
from tallystick._messages.outgoing import publishable
from tallystick.errors import DeclarationError


class Sold(Event, name="shop.sold", key="item"):
    item: str


class Gone(Event, name="shop.gone", key="item"):
    item: str


class Price(Request[int], name="shop.price"):
    item: str


class Till: ...


def plain(event: Sold, delivery: Delivery) -> None: ...


def yields(event: Sold, delivery: Delivery) -> Iterator[None]:
    yield


async def yields_later(event: Sold, delivery: Delivery) -> AsyncIterator[None]:
    yield


async def lacks_one(event: Sold) -> None: ...


async def says_nothing(event, delivery: Delivery) -> None: ...  # type: ignore[no-untyped-def]  # what it is about


async def takes_many(event: list[Event], delivery: Delivery) -> None: ...


async def takes_another(event: Gone, delivery: Delivery) -> None: ...


async def by_name(event: Sold, delivery: Delivery, *, till: Till) -> None: ...


async def takes_all(event: Sold, *rest: Any) -> None: ...


async def asks_for_one_of_two(event: Sold, delivery: Delivery, till: Till | None) -> None: ...


async def misspelt(event: Sold, delivery: "Delivry") -> None: ...  # type: ignore[name-defined]  # noqa: F821  # what it is about


class Callable_:  # noqa: N801  # it stands for a function
    async def __call__(self, event: Sold, delivery: Delivery) -> None: ...


async def good(event: Sold, delivery: Delivery, till: Till) -> None: ...


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (plain, "plain is a plain def: write async def"),
        (yields, "yields yields"),
        (yields_later, "yields_later yields"),
        (lacks_one, "lacks_one has 1 parameters"),
        (says_nothing, "the parameter event without an annotation"),
        (takes_many, "takes event: list.* and is given a Sold"),
        (takes_another, "takes event: .*Gone.* and is given a Sold"),
        (by_name, "the parameter till: .* must be positional"),
        (takes_all, r"the parameter \*rest"),
        (asks_for_one_of_two, "the resource till: .* not a class"),
        (misspelt, "an annotation that cannot be resolved.*Delivry"),
        (Callable_(), "is not a function"),
        (functools.partial(good, till=Till()), "is not a function"),
    ],
)
def test_a_handler_that_cannot_be_called_is_an_error_where_it_is_declared(
    handler: Any, reason: str
) -> None:
    router = Router("shop")
    with pytest.raises(DeclarationError, match=reason):
        router.on(Sold, durable="shop-sold")(handler)
    assert not router.bindings


@pytest.mark.parametrize("annotation", [Sold, Event, Any, Sold | Gone, Gone | None | Sold])
def test_a_handler_may_take_more_than_it_is_given(annotation: Any) -> None:
    async def handler(event: annotation, delivery: Delivery) -> None: ...

    Router("shop").on(Sold, durable="shop-sold")(handler)


@pytest.mark.parametrize(("wrong", "reason"), [(plain, "plain def"), (yields_later, "yields")])
def test_periodic_handlers_and_replies_are_checked_as_well(wrong: Any, reason: str) -> None:
    router = Router("shop")
    with pytest.raises(DeclarationError, match=reason):
        router.every(1)(wrong)
    with pytest.raises(DeclarationError, match=reason):
        router.reply(Price)(wrong)


class Charge(Effect, name="shop.charge", key="item"):
    item: str


class Pack(Job, name="shop.pack", key="item"):
    item: str


@pytest.mark.parametrize("wrong", [Till, Database, int, Till | None])
def test_a_handler_without_a_delivery_is_an_error_where_it_is_declared(wrong: Any) -> None:
    async def forgot(message: Any, delivery: wrong) -> None: ...

    router = Router("shop")
    name = wrong.__name__ if isinstance(wrong, type) else ".*Till"
    says = f"forgot takes delivery: {name}.*, and is given a Delivery"
    for bind in (
        router.on(Sold, durable="shop-sold"),
        router.job(Pack, durable="shop-pack"),
        router.effect(Charge),
    ):
        with pytest.raises(DeclarationError, match=says):
            bind(forgot)


@pytest.mark.parametrize("annotation", [Delivery, Any, object, Delivery | None])
def test_a_delivery_may_be_annotated_by_more_than_its_class(annotation: Any) -> None:
    async def handler(event: Sold, delivery: annotation) -> None: ...

    Router("shop").on(Sold, durable="shop-sold")(handler)


def test_what_a_handler_takes_is_named_as_it_is_written() -> None:
    with pytest.raises(DeclarationError) as raised:
        Router("shop").on(Sold, durable="shop-sold")(takes_another)
    assert str(raised.value) == "takes_another takes event: Gone, and is given a Sold"


def test_an_event_of_ones_own_package_under_the_name_of_another_service_is_refused() -> None:
    async def make(order: Any, delivery: Delivery) -> None: ...

    class Order(Event, name="coffee.ordered", key="item"):
        item: str

    Order.__module__ = "cafe.main"
    says = r"cafe\.main\..*Order is named coffee\.ordered, .* the name of one of cafe begins with"
    with pytest.raises(DeclarationError, match=says):
        Router("cafe").on(Order, durable="cafe-make")(make)
    with pytest.raises(DeclarationError, match=r"begins with cafe, as in cafe\.ordered$"):
        publishable("cafe", Order(item="x"), None, 10**6)
