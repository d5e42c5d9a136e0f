"""The settings of the orders service, from its environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints
from pydantic_settings import SettingsConfigDict

import tallystick


class Settings(tallystick.Settings):
    """The settings that every service has, and its own, as ORDERS_*."""

    model_config = SettingsConfigDict(env_prefix="ORDERS_")

    end_within_s: float = Field(
        default=900, gt=0, le=864_000, description="an order that has not ended by then is parked"
    )
    customer_header: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")] | None = (
        Field(
            default=None,
            description="the header in which a proxy names the customer that it has verified; then"
            " each customer sees only their own orders; if unset, everybody sees all",
        )
    )
