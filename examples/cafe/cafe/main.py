"""A café: an order is taken at once, and the barista makes it in the background."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel, Field
from pydantic_settings import SettingsConfigDict
from uuid_utils.compat import uuid7

import tallystick
from tallystick import Database, Delivery, Event, Problem, Router, Write, resource, service

TAKE = "insert into coffees (id, drink) values ($1, $2)"
SERVE = "update coffees set served = now() where id = $1 returning id"
LOOK = "select id, drink, served from coffees where id = any($1::uuid[])"
Db = Annotated[Database, resource(Database)]
api, router = APIRouter(), Router("cafe")


class CoffeeOrdered(Event, name="cafe.ordered", version=1, key="id"):
    id: UUID
    drink: str


class Order(BaseModel):
    drink: str = Field(min_length=1, max_length=40)


@api.post("/coffees", status_code=202)
async def order(body: Order, db: Db) -> dict[str, UUID]:
    coffee = CoffeeOrdered(id=uuid7(), drink=body.drink)
    await db.commit(Write(TAKE, (coffee.id, coffee.drink)), coffee)  # the row and the event
    return {"id": coffee.id}


@router.on(CoffeeOrdered, durable="cafe-barista")
async def make(coffee: CoffeeOrdered, delivery: Delivery) -> None:
    await delivery.commit(Write(SERVE, (coffee.id,), guard=coffee.id))  # then the event is done


@api.get("/coffees/{coffee_id}")
async def look(coffee_id: UUID, db: Db) -> dict[str, object]:
    if (coffee := await db.get(LOOK, coffee_id)) is None:
        raise Problem(404, "No such coffee")
    return dict(coffee)


class Settings(tallystick.Settings):
    model_config = SettingsConfigDict(env_prefix="CAFE_")


def app() -> FastAPI:
    return service(Settings(), router, api)
