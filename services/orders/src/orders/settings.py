"""What the orders service reads from its environment."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

import tallystick


class Settings(tallystick.Settings):
    """The settings of every service and its own, as ORDERS_*."""

    model_config = SettingsConfigDict(env_prefix="ORDERS_")

    end_within_s: float = Field(
        default=900, gt=0, le=864_000, description="an order that has not ended by then is parked"
    )
