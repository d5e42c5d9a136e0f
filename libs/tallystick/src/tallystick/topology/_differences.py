"""Compares the broker's settings with the declared ones, without I/O.

Section 9 of docs/delivery.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tallystick._broker.jetstream import Config

FIXED = frozenset({"retention", "storage", "ack_policy", "deliver_policy", "durable_name", "name"})
"""Settings that the broker does not change for an existing stream or durable."""


@dataclass(frozen=True)
class Difference:
    """A setting that differs from its declaration.

    If the stream or durable is missing, `setting` is "exists" and `found` is None.
    """

    of: str
    setting: str
    wanted: Any
    found: Any

    @property
    def is_fixed(self) -> bool:
        """Whether the stream or durable must be recreated: a person has to decide that."""
        return self.setting in FIXED and self.found is not None

    def __str__(self) -> str:
        if self.setting == "exists":
            return f"{self.of} is missing"
        return f"{self.of}: {self.setting} is {self.found!r}, declared is {self.wanted!r}"


def differences(of: str, wanted: Config, found: Config | None) -> list[Difference]:
    """Return each declared setting whose value at the broker differs."""
    if found is None:
        return [Difference(of, "exists", True, None)]
    return [
        Difference(of, setting, value, found.get(setting))
        for setting, value in wanted.items()
        if _normal(setting, found) != _normal(setting, wanted)
    ]


def _normal(setting: str, config: Config) -> Any:
    """Return a setting in one form: the broker leaves zeros out and names a single filter apart."""
    if setting == "filter_subjects":
        one = config.get("filter_subject")
        return sorted(config.get("filter_subjects") or ([one] if one else []))
    return config.get(setting) or 0
