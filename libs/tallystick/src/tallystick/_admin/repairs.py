"""The routes that repair dead letters and show the record of repairs.

Section 10 of docs/delivery.md.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import structlog
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tallystick._admin import record
from tallystick._admin.body_check import InvalidBody
from tallystick._admin.repair import MOST_AT_ONCE, Act, EffectKept, NotDead, Repair
from tallystick._admin.selection import Moment, Selection, Text
from tallystick._database.postgres import Postgres
from tallystick._http.json import check_json
from tallystick._http.problem import Problem, field_problem
from tallystick._messages.ids import new_id
from tallystick._messages.router import Router

log = structlog.get_logger()

INSTEAD = (
    "Nothing else would ever finish it. Replay it: it calls the outside under the key it has always"
    " had, so nothing is done twice there. If no answer will ever come, a person decides at the"
    " service that waits for it."
)
Limit = Annotated[int, Query(ge=1, le=1000)]
Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=300)]


class RepairAsked(BaseModel):
    """Who repairs, and why; the record keeps both, and shows requests of one `run` as one act."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    actor: Line
    reason: Line
    run: UUID = Field(default_factory=new_id)

    @property
    def act(self) -> Act:
        """The act for the library."""
        return Act(self.actor, self.reason, self.run)


class SomeAsked(RepairAsked):
    """The oldest of the selected dead letters, until the run has `target` of them.

    It is safe to send the same request twice.
    """

    dead_letters: Selection = Selection()
    target: Annotated[int, Field(ge=1)] = MOST_AT_ONCE


class EditAsked(RepairAsked):
    """Another body for one dead letter."""

    durable: Text
    source: Text
    id: Text
    body: str


class Repaired(BaseModel):
    """How many dead letters the run has now."""

    run: UUID
    count: int


class Repairs:
    """Repairs the dead letters of a service, and shows past repairs."""

    def __init__(self, database: Postgres, router: Router) -> None:
        self._database = database
        self._repair = Repair(database, router)

    def routes(self) -> APIRouter:
        """The routes under `/admin/repairs`."""
        routes = APIRouter(prefix="/admin/repairs", tags=["repairs"])
        routes.add_api_route("", self.runs)
        routes.add_api_route("/{run}/progress", self.progress)
        routes.add_api_route("/{name:path}", self.acts)
        routes.add_api_route("/replay", self.replay, methods=["POST"])
        routes.add_api_route("/edit", self.edit, methods=["POST"])
        routes.add_api_route("/discard", self.discard, methods=["POST"])
        return routes

    async def runs(
        self, before: Annotated[Moment | None, Query()] = None, limit: Limit = 100
    ) -> record.Runs:
        """The runs of repairs: who, when and why, the newest first."""
        return await record.runs(self._database, before, limit)

    async def acts(
        self,
        name: Annotated[Text, Path(min_length=1)],
        cursor: Annotated[Text | None, Query()] = None,
        limit: Limit = 100,
    ) -> record.Acts:
        """The acts of a run, or on the dead letters of a fingerprint or an id."""
        return await record.acts(self._database, name, cursor, limit)

    async def progress(self, run: UUID) -> record.Progress:
        """How many dead letters of a replay are done, wait or have returned."""
        return await record.progress(self._database, run)

    async def replay(self, asked: SomeAsked) -> Repaired:
        """Make dead letters due again, only for the durable that failed.

        A message that is done is not done again. An effect calls the outside under the same key as
        before, so that no money moves twice.
        """
        try:
            count = await self._repair.replay_up_to(asked.target, asked.dead_letters, asked.act)
        except NotDead as error:
            detail = f"{error}: replay it with a release that does."
            raise Problem(409, "No handler would run it", detail=detail) from error
        return self._done("replay", asked, count)

    async def discard(self, asked: SomeAsked) -> Repaired:
        """Discard dead letters; they stay on record. If an effect is selected, discard none."""
        try:
            count = await self._repair.discard_up_to(asked.target, asked.dead_letters, asked.act)
        except EffectKept as error:
            detail = f"{error}. {INSTEAD}"
            raise Problem(409, "An effect is never discarded", detail=detail) from error
        return self._done("discard", asked, count)

    async def edit(self, asked: EditAsked) -> Repaired:
        """Give a dead letter another body that its handler can read; the old one is recorded."""
        body = asked.body.encode("utf-8", "surrogatepass")
        check_json(body)
        try:
            await self._repair.edit((asked.durable, asked.source, asked.id), body, asked.act)
        except NotDead as error:
            raise Problem(404, "No such dead letter", detail=f"{error}.") from error
        except InvalidBody as error:
            raise field_problem(error.field or "body", error.detail) from error
        return self._done("edit", asked, 1)

    def _done(self, action: str, asked: RepairAsked, count: int) -> Repaired:
        about = {"run": str(asked.run), "actor": asked.actor, "reason": asked.reason}
        log.warning("dead letters repaired", action=action, count=count, **about)
        return Repaired(run=asked.run, count=count)
