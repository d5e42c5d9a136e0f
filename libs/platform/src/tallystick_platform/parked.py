"""The bodies by which a service shows its parked orders and takes a person's decisions.

The routes are on its admin port: `GET /admin/parked`, `GET /admin/parked/{order_id}`,
`POST /admin/parked/{order_id}/retry` and `POST /admin/parked/{order_id}/resolve`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints

Actor = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,100}$")]
Why = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,300}$")]


class Act(BaseModel):
    """Who does it, and why; both are recorded."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    actor: Actor
    reason: Why


class Parked(BaseModel):
    """A service's record of an order; if it is parked, `parked` says why."""

    model_config = ConfigDict(from_attributes=True)

    order_id: UUID
    state: str
    parked: str | None
    opened_at: datetime


class ParkedPage(BaseModel):
    """Parked orders, the oldest first; `next` is the `after` of the following page."""

    parked: list[Parked]
    next: UUID | None


class Intervention(BaseModel):
    """Something that a person did about an order."""

    model_config = ConfigDict(from_attributes=True)

    happened_at: datetime
    actor: str
    action: str
    reason: str


class ParkedWhole(Parked):
    """A record of an order, and what people have done about it, the oldest first."""

    interventions: list[Intervention]
