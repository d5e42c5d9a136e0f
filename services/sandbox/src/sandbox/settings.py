"""The sandbox's settings, from SANDBOX_ variables."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

import tallystick
from sandbox.faults import Faults


class Settings(tallystick.Settings):
    """Where the sandbox runs and what goes wrong in it from the start."""

    model_config = SettingsConfigDict(env_prefix="SANDBOX_", env_nested_delimiter="__")

    faults: Faults = Field(default=Faults(), description="what goes wrong from the start")
    silence_s: float = Field(
        default=60, gt=0, description="a caller who waits for silence any longer is dropped"
    )
