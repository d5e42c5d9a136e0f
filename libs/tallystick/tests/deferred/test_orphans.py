"""A message without a declared handler is counted, and becomes a dead letter after a day."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from tallystick import Delivery, Effect, Router
from tallystick._admin.repair import Act, Repair
from tallystick._service.runtime import Runtime
from tallystick.testing import eventually

Sql = Callable[..., Awaitable[list[Any]]]
Run = Callable[..., AbstractAsyncContextManager[Runtime]]

ADD = """insert into tallystick.deferred
    (durable, source, id, subject, headers, body, stream, state, due_at, give_up_at)
values ($1, 'shop', $2, 'evt.shop.sold.v1.00', '', '{}', 'SHOP', 'waiting', now() - $3::interval,
    now() + interval '1 hour')"""
FOUND = "select id, state, reason from tallystick.deferred order by id"


class Charge(Effect, name="shop.charge", key="item"):
    item: str


def routing() -> Router:
    router = Router("shop")

    @router.effect(Charge)
    async def charge(effect: Charge, delivery: Delivery) -> None: ...

    return router


def waiting() -> float | None:
    labels = {"durable": "shop-gone"}
    return REGISTRY.get_sample_value("messaging_orphaned_messages", labels)


def dead() -> float | None:
    labels = {"durable": "shop-gone", "reason": "orphaned"}
    return REGISTRY.get_sample_value("messaging_dead_lettered_messages_total", labels)


async def test_a_message_without_a_handler_is_counted_and_dead_after_a_day(
    run: Run, sql: Sql
) -> None:
    await sql(ADD, "shop-gone", "new", timedelta(hours=1))
    await sql(ADD, "shop-gone", "old", timedelta(hours=25))
    before = dead() or 0
    with capture_logs() as lines:
        async with run(routing()) as runtime:
            await eventually(lambda: dead() == before + 1 and waiting() == 1)
            await runtime.parts.orphans.round()
            found = [tuple(row) for row in await sql(FOUND)]
            assert found == [("new", "waiting", None), ("old", "dead", "orphaned")]
            repair = Repair(runtime.parts.postgres, runtime.parts.router)
            key = ("shop-gone", "shop", "old")
            assert await repair.discard([key], Act("ann", "its handler is gone")) == [key]
    orphaned = [line for line in lines if line["event"] == "messages orphaned"]
    assert [line["waiting"] for line in orphaned] == [{"shop-gone": 1}]


async def test_a_message_whose_handler_runs_in_another_role_is_no_orphan(
    run: Run, sql: Sql
) -> None:
    await sql("delete from tallystick.deferred")
    async with run(routing(), run="api") as runtime:  # the role that handles it runs elsewhere
        await sql(ADD, "shop-charge", "waiting", timedelta(hours=48))
        await runtime.parts.orphans.round()
        assert [tuple(row) for row in await sql(FOUND)] == [("waiting", "waiting", None)]
