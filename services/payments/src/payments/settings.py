"""What the payments service reads from its environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, AnyHttpUrl, Field, SecretStr
from pydantic_settings import SettingsConfigDict

import tallystick
from payments import signature


def _secrets(secrets: SecretStr) -> SecretStr:
    signature.keys(secrets.get_secret_value())
    return secrets


class Settings(tallystick.Settings):
    """The settings of every service and its own, as PAYMENTS_*."""

    model_config = SettingsConfigDict(env_prefix="PAYMENTS_")

    provider_url: AnyHttpUrl = Field(description="where the payment provider answers")
    webhook_secrets: Annotated[SecretStr, AfterValidator(_secrets)] | None = Field(
        default=None,
        description="what its webhooks are signed with, two by comma while one is replaced; "
        "without one none are taken",
    )
