"""What the orders service reads from its environment."""

from __future__ import annotations

from pydantic_settings import SettingsConfigDict

import tallystick


class Settings(tallystick.Settings):
    """The settings of every service, as ORDERS_*."""

    model_config = SettingsConfigDict(env_prefix="ORDERS_")
