"""The settings of the newsletter, from its environment."""

from pydantic import AnyHttpUrl, Field
from pydantic_settings import SettingsConfigDict

import tallystick


class Settings(tallystick.Settings):
    """The settings that every service has, and its own, as NEWSLETTER_*."""

    model_config = SettingsConfigDict(env_prefix="NEWSLETTER_")

    mailer_url: AnyHttpUrl = Field(description="URL of the mail house")
