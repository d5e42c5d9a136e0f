"""Snapshots of message schemas: a change that would break readers fails the check.

    python -m tallystick.testing.schemas [--write] PACKAGE=FOLDER ...

compares all messages of each package with the snapshots in its folder, one file for each type and
version, and exits with 1 if they differ; with --write it renews them, unless a change breaks
readers. `check_schemas` does the same in a test.
"""

import argparse
import sys
from pathlib import Path

from .snapshot_check import SchemasDiffer, check_schemas, write_schemas


def main() -> None:
    """Run the command line; exits with 1 if something differs."""
    parser = argparse.ArgumentParser(
        prog="python -m tallystick.testing.schemas", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--write", action="store_true", help="renew the snapshots")
    parser.add_argument("pairs", nargs="+", metavar="PACKAGE=FOLDER")
    arguments = parser.parse_args()
    act = write_schemas if arguments.write else check_schemas
    failed = False
    for package, _, folder in (pair.partition("=") for pair in arguments.pairs):
        try:
            act(package, Path(folder))
        except SchemasDiffer as differences:
            sys.stderr.write(f"{differences}\n")
            failed = True
    sys.exit(failed)


if __name__ == "__main__":
    main()
