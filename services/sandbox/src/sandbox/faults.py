"""Decide the fault of a call by seed, reference, kind of call and attempt.

| fault            | takes effect               | the caller sees                   |
|------------------|----------------------------|-----------------------------------|
| `error_before`   | no                         | 503                               |
| `busy`           | no                         | 429 with `Retry-After`            |
| `reset_before`   | no                         | a connection reset                |
| `silence_before` | no                         | nothing, until it hangs up        |
| `late`           | after the caller hung up   | nothing, until it hangs up        |
| `silence_after`  | yes                        | nothing, until it hangs up        |
| `reset_after`    | yes                        | a connection reset                |
| `error_after`    | yes                        | 500                               |
| `garbled`        | yes                        | 200 and a body that means nothing |

A fault is asked for in three ways; the first one that is used counts:

- the header `Sandbox-Fault: <wish>` of the call itself;
- magic values: a capture's token `tok_<outcome>__<wish>` (`tok_visa__reset_after`), a
  booking's street `sandbox:<outcome>__<wish>` (`sandbox:ok__late_x2`); the outcomes are
  listed in `sandbox.provider.domain` and `sandbox.carrier.domain`;
- rates, at start by `SANDBOX_FAULTS='{"provider": {"reset_after": 0.05}}'` (or one by
  one, `SANDBOX_FAULTS__PROVIDER__RESET_AFTER=0.05`), later by `PUT /faults`.

A wish is a fault and how often: `late` applies to the first attempt only, `late_x3` to the
first three, `late_always` to every one; with `silence_before_always` there is never an answer.
Rates apply only to the first `attempts` calls under a key, so that everything ends. `null` for
`attempts` and a rate of 1 are an outage, which lasts until the rates are changed.

The faults of webhooks are in `sandbox.mishaps`.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox.chance import draw
from sandbox.mishaps import Mishaps


class Kind(StrEnum):
    """The kinds of fault, as in the table above."""

    ERROR_BEFORE = "error_before"
    BUSY = "busy"
    RESET_BEFORE = "reset_before"
    SILENCE_BEFORE = "silence_before"
    LATE = "late"
    SILENCE_AFTER = "silence_after"
    RESET_AFTER = "reset_after"
    ERROR_AFTER = "error_after"
    GARBLED = "garbled"


class Call(StrEnum):
    """The calls of the provider, of the carrier and of the mail house."""

    CAPTURE = "capture"
    REFUND = "refund"
    FIND = "find"
    BOOK = "book"
    CANCEL = "cancel"
    TRACK = "track"
    POST = "post"


Rate = Field(default=0.0, ge=0, le=1)


class Rates(BaseModel):
    """The rates of faults on one side, as shares of calls from 0 to 1; times are in ms.

    `refusal` is the share of references that are refused: captures declined, bookings refused;
    the mail house refuses none.
    `calls` limits everything except `refusal` to some calls, `attempts` limits the faults to the
    first calls under a key; `null` is no limit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_ms: float = Field(default=0, ge=0, le=60_000)
    jitter_ms: float = Field(default=0, ge=0, le=60_000)
    refusal: float = Rate
    error_before: float = Rate
    busy: float = Rate
    reset_before: float = Rate
    silence_before: float = Rate
    late: float = Rate
    silence_after: float = Rate
    reset_after: float = Rate
    error_after: float = Rate
    garbled: float = Rate
    attempts: int | None = Field(default=3, ge=0)
    calls: frozenset[Call] | None = None

    @model_validator(mode="after")
    def _at_most_one_fault_a_call(self) -> Self:
        if sum(self.of(kind) for kind in Kind) > 1 + 1e-9:
            raise ValueError("the rates of all kinds of fault must not be above 1 together")
        return self

    def of(self, kind: Kind) -> float:
        """Return the share of calls that get this kind of fault."""
        rate: float = getattr(self, kind.value)
        return rate


class Faults(BaseModel):
    """The faults of each side, and of the provider's webhooks.

    The same seed gives the same faults to the same calls.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 1
    provider: Rates = Rates()
    carrier: Rates = Rates()
    mail: Rates = Rates()
    webhooks: Mishaps = Mishaps()


@dataclass(frozen=True, slots=True)
class Fault:
    """The fault of one attempt: a delay in seconds, then `kind` or, if None, the answer."""

    kind: Kind | None
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Wish:
    """A fault that the caller asks for, for the first `attempts` calls; None means for all."""

    kind: Kind
    attempts: int | None = 1

    def strikes(self, attempt: int) -> bool:
        """Return whether this attempt, counted from 1, gets the fault."""
        return self.attempts is None or attempt <= self.attempts


_WISH = re.compile(rf"({'|'.join(Kind)})(?:_x([1-9][0-9]?)|_(always))?")


def wish(text: str) -> Wish:
    """Parse a text such as `late`, `late_x3` or `late_always`; raise ValueError for others."""
    match = _WISH.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text[:40]!r} is not a fault: use one of {', '.join(Kind)},"
            " and after it nothing, _x1 to _x99, or _always"
        )
    kind, times, always = match.groups()
    return Wish(Kind(kind), None if always else int(times or 1))


def decide(seed: int, rates: Rates, call: Call, reference: str, attempt: int) -> Fault:
    """Decide what happens to the n-th attempt, counted from 1, of this call."""
    if rates.calls is not None and call not in rates.calls:
        return Fault(None)
    strike, lateness = draw(seed, call, reference, attempt)
    struck = rates.attempts is None or attempt <= rates.attempts
    kind = _struck_by(rates, strike) if struck else None
    return Fault(kind, (rates.latency_ms + rates.jitter_ms * lateness) / 1000)


def refuses(seed: int, rates: Rates, call: Call, reference: str) -> bool:
    """Decide whether this reference is refused; every attempt gives the same."""
    return draw(seed, "refusal", call, reference)[0] < rates.refusal


def _struck_by(rates: Rates, strike: float) -> Kind | None:
    for kind in Kind:
        strike -= rates.of(kind)
        if strike < 0:
            return kind
    return None
