"""What a platform is to be; everything else follows from it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tallystick_local.errors import WrongSettingError
from tallystick_local.policy import Policy
from tallystick_local.services import SERVICES

MOST_REPLICAS = 16


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One platform: where its state is, which ports it takes, how many replicas run."""

    state: Path
    free_ports: bool = False
    ports: Mapping[str, int] = field(default_factory=dict)  # asked for, by name
    replicas: Mapping[str, int] = field(default_factory=dict)  # by service; 1 unless said
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # more, by service
    policy: Policy = field(default_factory=Policy)
    log_level: str = "info"

    def count(self, service: str) -> int:
        """Return how many replicas of a service run."""
        return self.replicas.get(service, 1)


def replicas(environment: Mapping[str, str] = os.environ) -> dict[str, int]:
    """Return what `REPLICAS_<SERVICE>` asks for; raises WrongSettingError."""
    found = {name: environment.get(f"REPLICAS_{name.upper()}") for name in SERVICES}
    counts = {}
    for name, text in found.items():
        if text is None:
            continue
        if not text.isdecimal() or int(text) > MOST_REPLICAS:
            raise WrongSettingError(f"REPLICAS_{name.upper()}={text}: not 0 to {MOST_REPLICAS}")
        counts[name] = int(text)
    return counts
