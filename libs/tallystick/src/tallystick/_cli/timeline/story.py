"""Makes the story of one key from the evidence: a pure function."""

from __future__ import annotations

from datetime import datetime

from tallystick._cli.timeline.evidence import Evidence
from tallystick._cli.timeline.pending import pending_of
from tallystick._cli.timeline.published import messages_of, published
from tallystick._cli.timeline.received import received_of, treated
from tallystick._cli.timeline.steps import Kind, Step, Story

RANKS: dict[Kind, int] = {"done": 0, "stored": 2, "published": 3}
"""The order of steps of one commit: first the end of the step that caused the others."""


def story_of(evidence: Evidence) -> Story:
    """Return all steps in order."""
    messages = messages_of(evidence)
    received = received_of(evidence)
    steps = [published(message) for message in messages.values()]
    for service, row in received.values():
        steps += treated(service, row, messages.get((row["source"], row["id"])))
    pending, unrecorded = pending_of(evidence.readers, list(messages.values()), received)
    published_at = {message.id: message.at for message in messages.values()}
    steps = sorted(
        [*steps, *pending], key=lambda step: _order(step, published_at.get(step.message))
    )
    return Story(evidence.key, len(messages), evidence.asked, steps, unrecorded, evidence.silent)


def _order(step: Step, published_at: datetime | None) -> tuple[bool, float, int]:
    """Sort a step after the publication of its message, even if two clocks disagree."""
    if step.at is None:
        return True, 0, 0
    at, rank = step.at, RANKS.get(step.kind, 1)
    if published_at and step.kind not in ("published", "stored") and at <= published_at:
        at, rank = published_at, 4
    return False, at.timestamp(), rank
