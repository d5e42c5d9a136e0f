"""Print how many states there are, and for each claim that fails the shortest way there."""

from __future__ import annotations

import argparse
import sys

from libs.tallystick.tests.account.model import __doc__ as about
from libs.tallystick.tests.account.model.exploring import explore
from libs.tallystick.tests.account.model.faults import FAULTS
from libs.tallystick.tests.account.model.state import Bounds


def main() -> None:
    parser = argparse.ArgumentParser(description=(about or "").split("\n", 1)[0])
    parser.add_argument("--fault", action="append", choices=FAULTS, help="each, if none is named")
    parser.add_argument("--at-most", type=int, default=1, help="faults that strike (1)")
    parser.add_argument("--places", type=int, default=5, help="messages that are stored (5)")
    parser.add_argument("--stuck", action="store_true", help="the broker refuses one message")
    options = parser.parse_args()
    faults = tuple(options.fault or FAULTS)
    found = explore(Bounds(faults, options.at_most, options.places, options.stuck))
    lines = [f"{len(found.came_from):,} states"]
    for claim, states in found.failed().items():
        shortest = min((found.way_to(each) for each in states), key=len, default=[])
        lines += [f"{claim}: {len(states):,}", *(f"    {step}" for step in shortest)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
