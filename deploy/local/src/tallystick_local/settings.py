"""The settings of a local platform; everything else is derived from them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tallystick_local.errors import WrongSettingError
from tallystick_local.policy import Policy
from tallystick_local.services import ALL, LISTED, Service

MOST_REPLICAS = 16


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One platform: the folder of its state, its ports, its number of replicas."""

    state: Path
    free_ports: bool = False
    ports: Mapping[str, int] = field(default_factory=dict)  # the chosen ones, by name
    replicas: Mapping[str, int] = field(default_factory=dict)  # by service; 1 if missing
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # more, by service
    policy: Policy = field(default_factory=Policy)
    log_level: str = "info"
    examples: bool = False  # whether the examples run as well

    @property
    def services(self) -> Mapping[str, Service]:
        """Return the services that run, by name."""
        return ALL if self.examples else LISTED

    @property
    def messaging(self) -> tuple[str, ...]:
        """Return the names of those that use the broker."""
        return tuple(name for name, service in self.services.items() if service.messages)

    def count(self, service: str) -> int:
        """Return how many replicas of a service run."""
        return self.replicas.get(service, 1)


def replicas(environment: Mapping[str, str] = os.environ) -> dict[str, int]:
    """Return the replicas that `REPLICAS_<SERVICE>` asks for; raise WrongSettingError."""
    found = {name: environment.get(f"REPLICAS_{name.upper()}") for name in ALL}
    counts = {}
    for name, text in found.items():
        if text is None:
            continue
        if not text.isdecimal() or int(text) > MOST_REPLICAS:
            raise WrongSettingError(
                f"REPLICAS_{name.upper()}={text}: use a number from 0 to {MOST_REPLICAS}"
            )
        counts[name] = int(text)
    return counts
