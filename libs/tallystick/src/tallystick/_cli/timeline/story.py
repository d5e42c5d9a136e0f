"""One key's story, told from evidence: a pure function."""

from __future__ import annotations

from datetime import datetime

from tallystick._cli.timeline.evidence import Evidence
from tallystick._cli.timeline.pending import unread_of
from tallystick._cli.timeline.published import messages_of, said
from tallystick._cli.timeline.received import taken_of, treated
from tallystick._cli.timeline.steps import Kind, Step, Story

RANKS: dict[Kind, int] = {"done": 0, "stored": 2, "said": 3}
"""Of the steps of one commit the first is the end of what caused the others."""


def tell(evidence: Evidence) -> Story:
    """Put everything into its order."""
    messages = messages_of(evidence)
    taken = taken_of(evidence)
    steps = [said(message) for message in messages.values()]
    for service, row in taken.values():
        steps += treated(service, row, messages.get((row["source"], row["id"])))
    unread, unrecorded = unread_of(evidence.readers, list(messages.values()), taken)
    said_at = {message.id: message.at for message in messages.values()}
    steps = sorted([*steps, *unread], key=lambda step: _order(step, said_at.get(step.message)))
    return Story(evidence.key, len(messages), evidence.asked, steps, unrecorded, evidence.silent)


def _order(step: Step, said_at: datetime | None) -> tuple[bool, float, int]:
    """Nothing is done before it was said, whatever the clocks of two machines say."""
    if step.at is None:
        return True, 0, 0
    at, rank = step.at, RANKS.get(step.kind, 1)
    if said_at and step.kind not in ("said", "stored") and at <= said_at:
        at, rank = said_at, 4
    return False, at.timestamp(), rank
