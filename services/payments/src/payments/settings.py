"""What the payments service reads from its environment."""

from __future__ import annotations

from pydantic import AnyHttpUrl, Field
from pydantic_settings import SettingsConfigDict

import tallystick


class Settings(tallystick.Settings):
    """The settings of every service and its own, as PAYMENTS_*."""

    model_config = SettingsConfigDict(env_prefix="PAYMENTS_")

    provider_url: AnyHttpUrl = Field(description="where the payment provider answers")
