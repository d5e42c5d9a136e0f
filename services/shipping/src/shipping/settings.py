"""The settings of the shipping service, from its environment."""

from __future__ import annotations

from pydantic import AnyHttpUrl, Field
from pydantic_settings import SettingsConfigDict

import tallystick


class Settings(tallystick.Settings):
    """The settings that every service has, and its own, as SHIPPING_*."""

    model_config = SettingsConfigDict(env_prefix="SHIPPING_")

    carrier_url: AnyHttpUrl = Field(description="URL of the carrier")
