"""A shop that parks nothing of its own and answers as services do that park, and `tally`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import APIRouter
from pydantic import BaseModel, Field
from pydantic_settings import SettingsConfigDict
from typer.testing import CliRunner, Result
from uuid_utils.compat import uuid7

import tallystick
from tallystick import Problem, Router, service
from tallystick.cli import command_line
from tallystick.testing import PostgresServer, free_port, migrate, served

TOKEN = "a-token-of-enough-length"
OPENED = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
Tally = Callable[..., Any]


class Settings(tallystick.Settings):
    model_config = SettingsConfigDict(env_prefix="SHOP_")


class Decision(BaseModel):
    actor: str
    reason: str
    outcome: str = Field(default="", alias="as")


class Shop:
    """What is parked in it, and what people have done about it."""

    def __init__(self) -> None:
        self.parked: dict[str, str] = {}
        self.done: list[tuple[str, Decision]] = []
        self.routes = APIRouter(prefix="/admin/parked")
        self.routes.add_api_route("", self.page)
        self.routes.add_api_route("/{order}", self.show)
        self.routes.add_api_route("/{order}/retry", self.retry, methods=["POST"])
        self.routes.add_api_route("/{order}/resolve", self.resolve, methods=["POST"])
        self.rebuilds = APIRouter(prefix="/admin/projections")
        self.rebuilds.add_api_route("/statistics/rebuild", self.rebuild, methods=["POST"])

    async def page(self, limit: int) -> dict[str, Any]:
        return {"parked": [self._row(order) for order in self.parked][:limit], "next": None}

    async def show(self, order: str) -> dict[str, Any]:
        known = {order for order, _ in self.done} | set(self.parked)
        if order not in known:
            raise Problem(404, "No such order")
        done = [
            {"happened_at": OPENED, "actor": d.actor, "action": "retry", "reason": d.reason}
            for by, d in self.done
            if by == order
        ]
        return {**self._row(order), "interventions": done}

    async def retry(self, order: str, act: Decision) -> dict[str, Any]:
        return await self._decide(order, act)

    async def resolve(self, order: str, act: Decision) -> dict[str, Any]:
        if act.outcome != "cancelled":
            errors = [{"field": "as", "detail": "Input should be 'cancelled'"}]
            raise Problem(422, "Request is not valid", errors=errors)
        return await self._decide(order, act)

    async def rebuild(self) -> dict[str, Any]:
        """Does as if."""
        return {"projection": "statistics", "durable": "shop-counts", "emptied": 3, "sequence": 42}

    async def _decide(self, order: str, act: Decision) -> dict[str, Any]:
        self.parked.pop(order)
        self.done.append((order, act))
        return await self.show(order)

    def _row(self, order: str) -> dict[str, Any]:
        why = self.parked.get(order)
        return {"order_id": order, "state": "placed", "parked": why, "opened_at": OPENED}


@pytest.fixture(scope="package")
async def running(postgres: PostgresServer) -> AsyncIterator[tuple[Shop, str]]:
    """The shop, and where its admin port is."""
    url = await postgres.create_database(f"platform-{uuid7()}")
    await migrate("tallystick.testing", url)
    port, shop = free_port(), Shop()
    settings = Settings(database_url=url, admin_port=port, admin_token=TOKEN)
    admin = APIRouter()
    admin.include_router(shop.routes)
    admin.include_router(shop.rebuilds)
    async with served(service(settings, Router("shop"), APIRouter(), admin=admin)):
        yield shop, f"http://127.0.0.1:{port}"


@pytest.fixture
def shop(running: tuple[Shop, str]) -> Shop:
    """The running shop, in which nothing is parked."""
    shop, _ = running
    shop.parked.clear()
    shop.done.clear()
    return shop


@pytest.fixture
def tally(running: tuple[Shop, str]) -> Tally:
    """Runs the command as a person would beside the shop; returns how it ended."""
    env = {"TALLY_ADMIN": f"shop={running[1]}", "TALLY_ADMIN_TOKEN": TOKEN}

    async def run(*arguments: str) -> Result:
        def invoke() -> Result:
            return CliRunner().invoke(command_line(), arguments, env=env)

        return await asyncio.to_thread(invoke)

    return run
