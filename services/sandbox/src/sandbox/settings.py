"""The settings of the sandbox, from its environment."""

from typing import Annotated

from pydantic import AfterValidator, AnyHttpUrl, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import SettingsConfigDict

import tallystick
from sandbox.faults import Faults
from sandbox.provider import signature


def _secret(secret: SecretStr) -> SecretStr:
    signature.key(secret.get_secret_value())
    return secret


class Settings(tallystick.Settings):
    """The settings that every service has, and the sandbox's own, as SANDBOX_*."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", env_nested_delimiter="__")

    faults: Faults = Field(default=Faults(), description="the faults at the start")
    silence_s: float = Field(
        default=60, gt=0, description="after so long a caller that gets no answer is disconnected"
    )
    webhook_url: AnyHttpUrl | None = Field(
        default=None, description="URL that gets webhooks of captures and refunds; if unset, none"
    )
    webhook_secret: Annotated[SecretStr, AfterValidator(_secret)] | None = Field(
        default=None,
        validate_default=True,
        description="the secret that signs webhooks: whsec_ and base64",
    )

    @field_validator("webhook_secret")
    @classmethod
    def _for_the_url(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if secret is None and info.data.get("webhook_url") is not None:
            raise ValueError("missing, but SANDBOX_WEBHOOK_URL is set")
        return secret
