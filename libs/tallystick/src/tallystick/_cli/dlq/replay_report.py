"""The report of a replay: its progress, its end, and what a person can do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tallystick._cli.dlq.replay_steps import CameBack, Expired, Stuck
from tallystick._cli.dlq.replaying import Group
from tallystick._cli.output import bad, cut, notable, plain

LONGEST_ERROR = 160


def progress_line(group: Group) -> str:
    """Return how far a group is."""
    seen = group.seen
    became = f", {group.done:,} done, {seen.waiting:,} waiting" if group.plan.canary else ""
    return f"{_name(group)}: {_count(group)}{became}"


def so_far(groups: Sequence[Group]) -> str:
    """Return what an interrupted replay has done, and how to go on."""
    replayed = sum(group.seen.replayed for group in groups)
    total = sum(group.plan.total for group in groups)
    rest = "the others are as they were"
    return f"{replayed:,} of {total:,} were replayed, {rest}; it is safe to run it again"


def ended_lines(groups: Sequence[Group]) -> list[str]:
    """Return how each group ended, and what a person can do next."""
    lines = [line for group in groups for line in _ended(group)]
    runs = [group.run for group in groups if group.seen.replayed]
    return [*lines, *(f"what became of them: tally dlq audit {run}" for run in runs)]


def as_json_of(group: Group) -> dict[str, Any]:
    """Return the end of a group for programs."""
    return {
        "service": group.service,
        "durable": group.about["durable"],
        "fingerprint": group.about["fingerprint"],
        "run": group.run,
        "dead_letters": group.plan.total,
        "replayed": group.seen.replayed,
        "done": group.done if group.plan.canary else None,
        "waiting": group.seen.waiting if group.plan.canary else None,
        "returned": group.returned,
        "stopped": _STOPPED.get(type(group.end)),
    }


_STOPPED: Mapping[type, str] = {
    CameBack: "came back",
    Stuck: "nothing ended",
    Expired: "expired",
}


def _ended(group: Group) -> list[str]:
    name = f"{_name(group)}: {_count(group)}"
    match group.end:
        case CameBack():
            return [bad(f"{name}, and stopped: {_came_back(group)}"), *_after_return(group)]
        case Stuck():
            waited = f"none of {group.seen.waiting:,} has ended for {group.plan.quiet_limit_s:g} s"
            rest = "They are still tried. Run it again to go on, with a longer --wait if need be."
            return [notable(f"{name}, and stopped: {waited}"), f"  {rest}"]
        case Expired():
            why = "the inbox has forgotten them, so that they may have been done before"
            return [
                notable(f"{name}: {why}"),
                "  If you know that they were not done, replay them by --died-of expired",
            ]
    became = "all of them are done" if group.plan.canary else "they are due again"
    return [f"{name}, {became}" if group.seen.replayed else name]


def _came_back(group: Group) -> str:
    fingerprint = group.about["fingerprint"]
    reported = [
        f"{one['count']:,} failed {'as before' if one['fingerprint'] == fingerprint else 'anew'}"
        f"{' and died' if one['dead'] else ''}: {plain(_error(one))}"
        for one in group.returned
    ]
    return "; ".join(reported)


def _after_return(group: Group) -> list[str]:
    left = group.plan.total - group.seen.replayed
    rest = f"{left:,} are left as they were. " if left else ""
    show = f"tally dlq show {group.about['fingerprint'] or group.about['durable']}"
    return [
        f"  {rest}Mend the fault and run it again; or correct the dead letters:",
        f"  {show}, then edit and replay, or discard.",
    ]


def _error(one: Mapping[str, Any]) -> str:
    return cut(" ".join(f"{one['error_type']}: {one['error']}".split()), LONGEST_ERROR)


def _name(group: Group) -> str:
    return plain(f"{group.about['durable']} {group.about['fingerprint'] or ''}".rstrip())


def _count(group: Group) -> str:
    return f"{group.seen.replayed:,} of {group.plan.total:,} replayed"
