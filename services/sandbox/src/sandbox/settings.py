"""The sandbox's settings, from SANDBOX_ variables."""

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
    """Where the sandbox runs and what goes wrong in it from the start."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", env_nested_delimiter="__")

    faults: Faults = Field(default=Faults(), description="what goes wrong from the start")
    silence_s: float = Field(
        default=60, gt=0, description="a caller who waits for silence any longer is dropped"
    )
    webhook_url: AnyHttpUrl | None = Field(
        default=None, description="who is told of captures and refunds; nobody if unset"
    )
    webhook_secret: Annotated[SecretStr, AfterValidator(_secret)] | None = Field(
        default=None,
        validate_default=True,
        description="what webhooks are signed with: whsec_ and base64",
    )

    @field_validator("webhook_secret")
    @classmethod
    def _for_the_url(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if secret is None and info.data.get("webhook_url") is not None:
            raise ValueError("missing, and SANDBOX_WEBHOOK_URL is set")
        return secret
