"""Decide the mishap of a webhook by seed and webhook; every attempt gets the same.

| mishap      | the receiver sees                            |
|-------------|----------------------------------------------|
| `duplicate` | the webhook twice                            |
| `late`      | the webhook `late_ms` later than it was due  |
| `never`     | nothing                                      |

It is asked for by a capture's token (`tok_visa__webhook_never`,
`tok_visa__reset_after__webhook_late`) or by rates: `PUT /faults {"webhooks": {"late": 0.5}}`,
`SANDBOX_FAULTS__WEBHOOKS__LATE=0.5`.
"""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox.chance import draw

PREFIX = "webhook_"
Share = Field(default=0.0, ge=0, le=1)


class Mishap(StrEnum):
    """The kinds of mishap, as in the table above."""

    DUPLICATE = "duplicate"
    LATE = "late"
    NEVER = "never"


class Mishaps(BaseModel):
    """The rates of mishaps of webhooks, as shares from 0 to 1; `late_ms` is the delay in ms."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    duplicate: float = Share
    late: float = Share
    never: float = Share
    late_ms: float = Field(default=5_000, ge=0, le=3_600_000)

    @model_validator(mode="after")
    def _at_most_one_a_webhook(self) -> Self:
        if self.duplicate + self.late + self.never > 1 + 1e-9:
            raise ValueError("the rates of all kinds of mishap must not be above 1 together")
        return self

    def befalling(self, seed: int, webhook: str) -> Mishap | None:
        """Decide the mishap of the webhook with this id, or None."""
        chance, _ = draw(seed, "webhook", webhook)
        for mishap in Mishap:
            share: float = getattr(self, mishap.value)
            chance -= share
            if chance < 0:
                return mishap
        return None


def mishap(text: str) -> Mishap:
    """Parse a text such as `webhook_late`; raise ValueError for others."""
    kind = text.removeprefix(PREFIX)
    if not text.startswith(PREFIX) or kind not in set(Mishap):
        allowed = ", ".join(f"{PREFIX}{kind}" for kind in Mishap)
        raise ValueError(f"{text[:40]!r} is not a mishap: use one of {allowed}")
    return Mishap(kind)
