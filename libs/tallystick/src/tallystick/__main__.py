"""The program `tally`: run the command line, or print how to install it."""

import sys

from tallystick._requirements import require
from tallystick.errors import TallystickError


def main() -> None:
    """Run the command line; exit with 1 if the extra that it needs is not installed."""
    try:
        require("tally", "cli")
    except TallystickError as error:
        sys.exit(str(error))
    from tallystick._cli import main as run  # noqa: PLC0415  # it cannot be imported without typer

    run()


if __name__ == "__main__":
    main()
