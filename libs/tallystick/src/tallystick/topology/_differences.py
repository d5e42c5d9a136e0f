"""How what the broker has differs from what was declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tallystick._broker.jetstream import Config

FIXED = frozenset({"retention", "storage", "ack_policy", "deliver_policy", "durable_name", "name"})
"""Settings that the broker changes for no existing stream or durable."""


@dataclass(frozen=True)
class Difference:
    """One setting that is not as declared; `found` is None where the whole is missing."""

    of: str
    setting: str
    wanted: Any
    found: Any

    @property
    def is_fixed(self) -> bool:
        """Whether only making the stream or durable anew would mend it: a person's decision."""
        return self.setting in FIXED and self.found is not None

    def __str__(self) -> str:
        if self.setting == "exists":
            return f"{self.of} is missing"
        return f"{self.of}: {self.setting} is {self.found!r}, declared is {self.wanted!r}"


def differences(of: str, wanted: Config, found: Config | None) -> list[Difference]:
    """Each declared setting that the broker has otherwise."""
    if found is None:
        return [Difference(of, "exists", True, None)]
    return [
        Difference(of, setting, value, found.get(setting))
        for setting, value in wanted.items()
        if _normal(setting, found) != _normal(setting, wanted)
    ]


def _normal(setting: str, config: Config) -> Any:
    """One filter subject is stored under another name than several; zeros are left out."""
    if setting == "filter_subjects":
        one = config.get("filter_subject")
        return sorted(config.get("filter_subjects") or ([one] if one else []))
    return config.get(setting) or 0
