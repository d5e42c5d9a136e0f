"""Make a resource's status from the result of a round: data in, data out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from tallystick.topology import Observed
from tallystick_operator.losses import KNOWN, unknown
from tallystick_operator.resources import Body

Truth = Literal["True", "False", "Unknown"]
Status = dict[str, Any]
AS_DECLARED, BLOCKED, REFUSED, AWAY = "AsDeclared", "WouldLoseMessages", "Refused", "BrokerAway"
HEALED, DIFFERS, FILLING, LOST = "Healed", "Differs", "Filling", "DataLost"


@dataclass(frozen=True)
class Round:
    """The result of one round.

    `mended` says what was changed, and `drifted` whether that had been as declared before.
    `refused` is what the broker or an older CRD prevents, `away` why the broker did not answer.
    `gone` has a sentence for each stream that is missing with `lost` messages in all.
    """

    observed: Observed | None = None
    mended: tuple[str, ...] = ()
    drifted: bool = False
    blocked: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    away: str = ""
    purged: Mapping[str, int] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    lost: int = 0

    @property
    def outcome(self) -> str:
        """The reason of the condition Ready."""
        if self.away:
            return AWAY
        if self.gone:
            return LOST
        if self.blocked:
            return BLOCKED
        if self.refused:
            return REFUSED
        return FILLING if self.waiting else AS_DECLARED

    @property
    def is_ready(self) -> bool:
        """Whether the broker is as declared; a stream may be filling."""
        return self.outcome in (AS_DECLARED, FILLING)


def was_as_declared(body: Body) -> bool:
    """Return whether the broker was as this generation declares: then a difference is a drift."""
    ready = condition(body, "Ready")
    reached = ready.get("status") == "True" or ready.get("reason") == AWAY
    observed = (body.get("status") or {}).get("observedGeneration")
    return reached and observed == body["metadata"]["generation"]


def condition(body: Body, kind: str) -> Body:
    """Return a condition of a resource, or an empty one."""
    conditions = (body.get("status") or {}).get("conditions", [])
    return next((one for one in conditions if one["type"] == kind), {})


def status_of(body: Body, result: Round, now: datetime) -> Status:
    """Return the whole status after a round."""
    before = body.get("status") or {}
    always = {
        "healed": before.get("healed", 0) + (len(result.mended) if result.drifted else 0),
        "lost": lost_of(body, result),
        "conditions": [
            _condition(body, kind, *verdict, now)
            for kind, verdict in _verdicts(body, result).items()
        ],
    }
    if result.away:
        return {**before, **always}  # no generation was observed
    reached = {"observedGeneration": body["metadata"]["generation"]}
    return {**before, **always, **reached, **(_figures(result.observed) if result.observed else {})}


def lost_of(body: Body, result: Round) -> int:
    """Return how many messages were ever lost with their streams, this round included."""
    before: int = (body.get("status") or {}).get("lost", 0)
    return before + result.lost


Verdict = tuple[Truth, str, str]


def _verdicts(body: Body, result: Round) -> dict[str, Verdict]:
    return {
        "Ready": _ready(result),
        "Drifted": _drifted(body, result),
        "Blocked": _blocked(result),
        "DataLost": _lost(body, result),
    }


def _ready(result: Round) -> Verdict:
    away = [result.away] if result.away else []
    reasons = [*away, *result.gone, *result.blocked, *result.refused]
    if reasons:
        return "False", result.outcome, "; ".join(reasons)
    return "True", result.outcome, "; ".join(result.waiting) or "The broker is as declared."


def _drifted(body: Body, result: Round) -> Verdict:
    """Return the verdict on drift; the last correction stays in it until something differs."""
    if result.away:
        return "Unknown", AWAY, result.away
    if differs := [*result.gone, *result.blocked, *result.refused]:
        return "True", DIFFERS, "; ".join(differs)
    if result.drifted and result.mended:
        return "False", HEALED, "; ".join(result.mended)
    before = condition(body, "Drifted")
    if before.get("reason") == HEALED:
        return "False", HEALED, before["message"]
    return "False", AS_DECLARED, "Nothing differs."


def _blocked(result: Round) -> Verdict:
    if result.away:
        return "Unknown", AWAY, result.away
    if result.blocked:
        return "True", BLOCKED, "; ".join(result.blocked)
    return "False", AS_DECLARED, "Nothing that is declared would lose messages."


def _lost(body: Body, result: Round) -> Verdict:
    """Return the verdict on lost messages; it lasts until a person says to know."""
    lost, before = lost_of(body, result), condition(body, LOST)
    if not lost:
        return "False", AS_DECLARED, "No stream was gone with messages."
    if not unknown(body, lost):
        return "False", "Known", f"{lost:,} messages were lost with their streams, as is known."
    if not result.gone:
        return "True", "StreamsGone", before["message"]
    name = body["metadata"]["name"]
    how = f"kubectl annotate topology {name} {KNOWN}={lost} --overwrite"
    text = f"{lost:,} messages were lost, at last: {'; '.join(result.gone)}. Once you know: {how}"
    return "True", "StreamsGone", text


def _condition(
    body: Body, kind: str, truth: Truth, reason: str, message: str, now: datetime
) -> dict[str, Any]:
    before = condition(body, kind)
    changed = before.get("status") != truth
    return {
        "type": kind,
        "status": truth,
        "reason": reason,
        "message": message,
        "lastTransitionTime": _text(now) if changed else before["lastTransitionTime"],
        "observedGeneration": body["metadata"]["generation"],
    }


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _figures(observed: Observed) -> Status:
    streams = [
        {"name": name, "messages": found.messages, "bytes": found.bytes}
        for name, found in observed.streams.items()
        if found
    ]
    durables = [
        {"stream": stream, "name": name, "lag": found.lag}
        for (stream, name), found in observed.durables.items()
        if found
    ]
    return {
        "messages": sum(one["messages"] for one in streams),
        "bytes": sum(one["bytes"] for one in streams),
        "lag": sum(one["lag"] for one in durables),
        "streams": streams,
        "durables": durables,
    }
