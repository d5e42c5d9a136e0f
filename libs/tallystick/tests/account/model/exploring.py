"""All states that can be reached, and those in which a claim fails."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from libs.tallystick.tests.account.model.faults import FAULTS
from libs.tallystick.tests.account.model.looking import looks
from libs.tallystick.tests.account.model.state import MESSAGES, Bounds, State, Step, said
from libs.tallystick.tests.account.model.working import commits_and_publishes, receives


@dataclass
class Explored:
    """All states that can be reached, each with the step that led there first."""

    came_from: dict[State, tuple[State, str] | None]
    needless: list[State] = field(default_factory=list)
    """Something was published again that could still arrive."""
    settled_and_lost: list[State] = field(default_factory=list)
    no_way_out: list[State] = field(default_factory=list)
    """Not everything that was said can be received any more, without another fault."""

    def failed(self) -> dict[str, list[State]]:
        """Return the states in which each claim fails."""
        return {
            "published again needlessly": self.needless,
            "settled and lost": self.settled_and_lost,
            "no way out": self.no_way_out,
        }

    def way_to(self, state: State) -> list[str]:
        steps: list[str] = []
        while origin := self.came_from[state]:
            state, step = origin
            steps.append(step)
        return steps[::-1]


def explore(bounds: Bounds) -> Explored:
    """Return all that can happen within these bounds."""
    found = Explored({State(): None})
    todo, came_to = deque([State()]), dict[State, list[State]]()
    while todo:
        state = todo.popleft()
        for step, after in steps(state, bounds):
            if after.faults == state.faults:
                came_to.setdefault(after, []).append(state)
            if after not in found.came_from:
                found.came_from[after] = (state, step)
                todo.append(after)
                if step.startswith("republish") and is_needless(state, after):
                    found.needless.append(after)
    judge(found, came_to, bounds)
    return found


def steps(state: State, bounds: Bounds) -> Iterator[Step]:
    yield from commits_and_publishes(state, bounds)
    yield from receives(state)
    yield from looks(state)
    if state.faults < bounds.at_most:
        for name in bounds.faults:
            yield from FAULTS[name](state)


def is_needless(before: State, after: State) -> bool:
    """Whether a message was published again that is received, or that will be."""
    again = [m for m in MESSAGES if before.outbox[m] != after.outbox[m]]
    return any(not is_lost(before, each) and each not in before.exposed for each in again)


def is_lost(state: State, message: int) -> bool:
    row = state.outbox[message]
    comes = any(e.message == message and not e.acknowledged for e in state.stream)
    in_hand = any(each == message for _, each in state.in_hand)
    is_sent = row is not None and row.place is not None
    return is_sent and message not in state.inbox and not comes and not in_hand


def judge(found: Explored, came_to: dict[State, list[State]], bounds: Bounds) -> None:
    """Note the states in which a claim fails; at the bound of places nothing can be healed."""
    ends = [state for state in found.came_from if is_complete(state, bounds)]
    healed = reaching(ends, came_to)
    for state in found.came_from:
        if state.settled == said(state) and any(is_lost(state, each) for each in MESSAGES):
            found.settled_and_lost.append(state)
        if state.next_place < bounds.places and state not in healed:
            found.no_way_out.append(state)


def is_complete(state: State, bounds: Bounds) -> bool:
    return all(each in state.inbox for each in bounds.sendable if state.outbox[each])


def reaching(ends: list[State], came_to: dict[State, list[State]]) -> set[State]:
    """Return the states from which one of the ends can be reached without another fault."""
    reached, todo = set(ends), deque(ends)
    while todo:
        for state in came_to.get(todo.popleft(), ()):
            if state not in reached:
                reached.add(state)
                todo.append(state)
    return reached
