"""How a service shows what waits for a person, and is told what a person decides.

Over its admin port: `GET /admin/parked`, `GET /admin/parked/{order_id}`,
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
    """Who does it, and why: both are kept."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    actor: Actor
    reason: Why


class Parked(BaseModel):
    """A service's record of an order; `parked` says why a person should look at it, if so."""

    model_config = ConfigDict(from_attributes=True)

    order_id: UUID
    state: str
    parked: str | None
    opened_at: datetime


class ParkedPage(BaseModel):
    """What is parked, the oldest first; `next` is the `after` of the following page."""

    parked: list[Parked]
    next: UUID | None


class Intervention(BaseModel):
    """What a person did."""

    model_config = ConfigDict(from_attributes=True)

    happened_at: datetime
    actor: str
    action: str
    reason: str


class ParkedWhole(Parked):
    """With all that people have done about it, in its order."""

    interventions: list[Intervention]
