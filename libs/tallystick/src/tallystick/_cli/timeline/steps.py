"""The parts of a story: messages, and the steps in which they were handled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tallystick._messages.message import TYPE_PREFIX

Kind = Literal[
    "published", "stored", "done", "failed", "dead", "waits", "discarded", "withdrawn", "pending"
]

NOT_SENT = "not sent yet"
"""The note of a message that is committed and not at the broker."""


@dataclass(frozen=True)
class Message:
    """A message about the key; `sequence` is that of its stream, None if no stream keeps it."""

    source: str
    id: str
    type: str
    subject: str
    at: datetime
    sent: bool
    republication: int
    size: int
    stream: str | None = None
    sequence: int | None = None

    @property
    def title(self) -> str:
        """Return the name and version: `orders.placed v1`."""
        name, _, version = self.type.removeprefix(TYPE_PREFIX).rpartition(".")
        return f"{name} {version}" if name else self.type


@dataclass(frozen=True)
class Step:
    """Something that happened in `service` to a message of `sender`.

    `at` is None if it has not happened yet or its time is unknown.
    """

    kind: Kind
    at: datetime | None
    service: str
    sender: str
    message: str
    title: str
    note: str = ""
    durable: str | None = None
    handler: str | None = None
    replica: str | None = None
    attempt: int | None = None
    due_at: datetime | None = None


@dataclass(frozen=True)
class Story:
    """The steps in order, and the services asked; `unrecorded` durables keep no record."""

    key: str
    messages: int
    services: Sequence[str]
    steps: Sequence[Step]
    unrecorded: Sequence[str]
    silent: Mapping[str, str]

    @property
    def waits(self) -> list[Step]:
        """Return the steps that have not ended."""
        return [step for step in self.steps if step.kind in ("waits", "pending")]

    @property
    def unsent(self) -> list[Step]:
        """What was said and nobody can have read."""
        return [step for step in self.steps if step.note == NOT_SENT]

    @property
    def dead(self) -> list[Step]:
        """Dead letters about which nobody has decided."""
        decided = {(s.durable, s.message) for s in self.steps if s.kind == "discarded"}
        dead = [step for step in self.steps if step.kind == "dead"]
        return [step for step in dead if (step.durable, step.message) not in decided]
