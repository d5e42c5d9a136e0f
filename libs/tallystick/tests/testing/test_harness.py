from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tallystick import Conflict, Delivery, Effect, Event, PermanentError, Router, Write
from tallystick.errors import DeclarationError
from tallystick.testing import Harness

SAVE = "insert into things (id) values ($1)"
Sql = Callable[..., Awaitable[list[Any]]]


class Sold(Event, name="shop.sold", key="item"):
    item: str


class Thanked(Event, name="shop.thanked", key="item"):
    item: str


class Charge(Effect, name="shop.charge", key="item"):
    item: str


class Bank:
    """What a handler asks for."""

    async def take(self, item: str) -> str:
        raise AssertionError("the real bank is not asked in a test")


class Played(Bank):
    """What a test gives instead."""

    async def take(self, item: str) -> str:
        return f"took {item}"


def shop() -> Router:
    router = Router("shop")

    @router.on(Sold, durable="shop-books")
    async def book(event: Sold, delivery: Delivery) -> None:
        async with delivery.transaction() as transaction:
            await transaction.execute(SAVE, 7)
            transaction.add(Thanked(item=event.item))

    @router.on(Sold, durable="shop-charges")
    async def bill(event: Sold, delivery: Delivery) -> None:
        try:
            await delivery.commit(Write("open"), Charge(item=event.item))
        except Conflict:
            await delivery.commit(Write("it was open"))

    @router.on(Thanked, durable="shop-thanks")
    async def thank(event: Thanked, delivery: Delivery) -> None:
        await delivery.commit(Write(f"attempt {delivery.attempt}"))

    @router.effect(Charge)
    async def charge(effect: Charge, delivery: Delivery, bank: Bank) -> None:
        await delivery.commit(Write(await bank.take(effect.item)))

    return router


async def test_a_transaction_shows_its_statements_and_its_messages() -> None:
    decided = await Harness(shop()).give(Sold(item="mug"), durable="shop-books")
    assert [(write.sql, write.args) for write in decided.writes] == [(SAVE, (7,))]
    assert decided.messages == (Thanked(item="mug"),)


async def test_a_transaction_on_a_database_is_undone(run: Any, sql: Sql) -> None:
    async with run(Router("shop"), reads=False) as runtime:
        harness = Harness(shop(), Played(), database=runtime.parts.database)
        decided = await harness.give(Sold(item="mug"), durable="shop-books")
    assert len(decided.parts) == 2
    assert await sql("select from things") == []


async def test_where_several_durables_take_a_message_one_is_named() -> None:
    with pytest.raises(DeclarationError, match="shop-books, shop-charges: name one by durable="):
        await Harness(shop()).give(Sold(item="mug"))
    with pytest.raises(DeclarationError, match="no handler for Sold"):
        await Harness(shop()).give(Sold(item="mug"), durable="shop-thanks")


async def test_a_handler_meets_the_conflicts_that_it_handles() -> None:
    harness = Harness(shop())
    first = await harness.give(Sold(item="mug"), durable="shop-charges")
    second = await harness.give(Sold(item="mug"), durable="shop-charges", conflicts=1)
    assert first.effects == (Charge(item="mug"),)
    assert [write.sql for write in second.writes] == ["it was open"]


async def test_a_handler_runs_again_after_a_conflict_that_it_does_not_handle() -> None:
    decided = await Harness(shop()).give(Thanked(item="mug"), attempt=2, conflicts=3)
    assert [write.sql for write in decided.writes] == ["attempt 2"]
    with pytest.raises(Conflict):
        await Harness(shop()).give(Thanked(item="mug"), conflicts=1000)


async def test_a_stand_in_is_found_by_the_class_it_stands_for() -> None:
    decided = await Harness(shop(), Played()).give(Charge(item="mug"))
    assert [write.sql for write in decided.writes] == ["took mug"]


async def test_a_missing_resource_is_named() -> None:
    with pytest.raises(DeclarationError, match="needs a Bank: give it to the Harness"):
        await Harness(shop()).give(Charge(item="mug"))


async def test_a_handler_that_reads_without_a_database_is_told_what_to_give() -> None:
    router = Router("shop")

    @router.on(Thanked, durable="shop-thanks")
    async def thank(_: Thanked, delivery: Delivery) -> None:
        await delivery.database.fetch("select 1")

    with pytest.raises(DeclarationError, match="database="):
        await Harness(router).give(Thanked(item="mug"))


async def test_what_a_handler_raises_is_raised() -> None:
    router = Router("shop")

    @router.on(Thanked, durable="shop-thanks")
    async def thank(_: Thanked, __: Delivery) -> None:
        raise PermanentError("never")

    with pytest.raises(PermanentError, match="never"):
        await Harness(router).give(Thanked(item="mug"))
