"""The types that the requests of provider and carrier share."""

from typing import Annotated

from fastapi import Header, Query
from pydantic import BaseModel, ConfigDict, StringConstraints

from tallystick import Database, resource

Token = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]{1,200}$")]
Key = Annotated[str, Header(alias="Idempotency-Key", pattern=r"^[\x21-\x7e]{1,200}$")]
After = Annotated[int, Query(ge=0, le=2**63 - 1, description="The `next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=5000)]
Db = Annotated[Database, resource(Database)]


class Body(BaseModel):
    """A request's body, without unknown fields and with values of exactly the declared types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
