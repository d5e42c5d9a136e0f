"""What the shipping service reads from its environment."""

from __future__ import annotations

from pydantic import AnyHttpUrl, Field
from pydantic_settings import SettingsConfigDict

import tallystick


class Settings(tallystick.Settings):
    """The settings of every service and its own, as SHIPPING_*."""

    model_config = SettingsConfigDict(env_prefix="SHIPPING_")

    carrier_url: AnyHttpUrl = Field(description="where the carrier answers")
