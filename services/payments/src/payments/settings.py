"""The settings of the payments service, from its environment."""

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
    """The settings that every service has, and its own, as PAYMENTS_*."""

    model_config = SettingsConfigDict(env_prefix="PAYMENTS_")

    provider_url: AnyHttpUrl = Field(description="URL of the payment provider")
    webhook_secrets: Annotated[SecretStr, AfterValidator(_secrets)] | None = Field(
        default=None,
        description="the secret that signs its webhooks, or two separated by a comma while one is "
        "replaced; if unset, webhooks are refused",
    )
