"""The program `tally`: the command line, or one sentence if it is not installed."""

import sys

from tallystick._requirements import require
from tallystick.errors import TallystickError


def main() -> None:
    """Run the command line; exits with 1 if what it needs is not installed."""
    try:
        require("tally", "cli")
    except TallystickError as error:
        sys.exit(str(error))
    from tallystick._cli import main as run  # noqa: PLC0415  # it cannot be imported without typer

    run()


if __name__ == "__main__":
    main()
