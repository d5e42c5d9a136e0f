"""Draws a story: time runs down, each service has a lane, arrows are messages that were handled."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from textwrap import wrap

from tallystick._cli.output import bad, cut, faint, notable, plain, strong
from tallystick._cli.timeline.lanes import Lanes
from tallystick._cli.timeline.steps import NOT_SENT, Step, Story
from tallystick._cli.times import moment, span

WIDTH = 100
TIME, GAP = 10, 11  # columns
MOST_OF_NOTE = 4  # lines
SHORTEST_NAME = 6  # columns
TITLED = {
    "done": "{}",
    "stored": "{} stored",
    "failed": "{} failed",
    "dead": "{} is a dead letter",
    "discarded": "{} was discarded",
    "withdrawn": "{} was withdrawn",
    "waits": "{} waits",
    "pending": "{} has not done it yet",
}
PAINTS: dict[str, Callable[[str], str]] = {
    "published": strong,
    "stored": faint,
    "withdrawn": faint,
    "failed": bad,
    "dead": bad,
    "discarded": notable,
    "waits": notable,
    "pending": notable,
}


def draw(story: Story) -> list[str]:
    """Return the lines, of at most 100 columns."""
    lanes = Lanes(story.services, story.steps)
    head = " " * (TIME + GAP + 2) + lanes.head()
    return [*_title(story), "", faint(head.rstrip()), *_rows(story, lanes), *_notes(story)]


def _title(story: Story) -> list[str]:
    times = [step.at for step in story.steps if step.at]
    took = span((max(times) - min(times)).total_seconds()) if times else ""
    began = f"{moment(min(times))} UTC, " if times else ""
    count = f"{story.messages} message{'' if story.messages == 1 else 's'}"
    open_ = ", ".join(_open(story)) or "nothing waits"
    title = [strong(plain(story.key)), f"{began}{count} in {took or 'no time'}, {open_}"]
    if story.dead:
        verb = "show" if len(story.dead) == 1 else "list"
        title.append(bad(f"{_dead(story)}: tally dlq {verb} {shlex.quote(plain(story.key))}"))
    return title


def _open(story: Story) -> Iterator[str]:
    """What is not at its end, counted."""
    if story.unsent:
        yield f"{len(story.unsent)} {NOT_SENT}"
    if story.waits:
        yield f"{len(story.waits)} waiting"
    if story.dead:
        yield _dead(story)


def _dead(story: Story) -> str:
    return f"{len(story.dead)} dead letter{'' if len(story.dead) == 1 else 's'}"


def _rows(story: Story, lanes: Lanes) -> Iterator[str]:
    first = before = None
    notes: dict[str, str] = {}
    for step in story.steps:
        time = gap = ""
        if step.at:
            first = first or step.at
            time = span(max((step.at - first).total_seconds(), 0))
            if before and step.at > before:
                gap = f"+{span((step.at - before).total_seconds())}"
            before = max(step.at, before or step.at)
        note = _note(step)
        shown = "as before" if note and note == notes.get(step.title) else note
        notes[step.title] = note
        yield from _lines(_clock(time, gap), step, shown, lanes)


def _clock(time: str, gap: str) -> str:
    return f"{time:>{TIME}}{gap:>{GAP}}  "


def _lines(clock: str, step: Step, note: str, lanes: Lanes) -> Iterator[str]:
    """Yield the line of a step, and its note below."""
    left = WIDTH - len(clock) - lanes.width
    paint = PAINTS.get(step.kind, str)
    yield f"{clock}{lanes.row(step)}{paint(plain(_fitted(step, left)))}".rstrip()
    space = " " * len(clock) + lanes.bars()
    wrapped = wrap(
        plain(note), left - 2, max_lines=MOST_OF_NOTE, placeholder="…", break_on_hyphens=False
    )
    yield from (f"{space}  {faint(line)}" for line in wrapped)


def _fitted(step: Step, columns: int) -> str:
    """The text, of which names are cut before words."""
    if (over := len(_text(step)) - columns) > 0 and step.kind == "done" and step.handler:
        step = replace(step, handler=_shortened(step.handler, over))
    if (over := len(_text(step)) - columns) > 0:
        step = replace(step, title=_shortened(step.title, over))
    return cut(_text(step), columns)


def _shortened(name: str, by: int) -> str:
    return cut(name, max(len(name) - by, SHORTEST_NAME))


def _text(step: Step) -> str:
    if step.kind == "published":
        return f"{step.title} ({step.note})" if step.note else step.title
    text = TITLED[step.kind].format(step.title)
    if step.kind == "waits" and step.due_at is None:
        return f"{step.title} runs now"
    if step.attempt and step.kind != "dead":
        text += f", attempt {step.attempt}"
    if step.kind == "done" and step.handler:
        text += f"  {step.handler}"
    if step.due_at:
        left = (step.due_at - datetime.now(UTC)).total_seconds()
        text += f", due in {span(left)}" if left > 0 else ", due now"
    return text


def _note(step: Step) -> str:
    if step.kind in ("failed", "dead", "waits", "pending"):
        return step.note
    return f"by {step.replica}" if step.replica else ""


def _notes(story: Story) -> list[str]:
    notes = []
    if story.unrecorded:
        notes.append(faint(f"also read by (keeps no record): {', '.join(story.unrecorded)}"))
    notes += [notable(f"incomplete: {reason}") for reason in story.silent.values()]
    return ["", *notes] if notes else []
