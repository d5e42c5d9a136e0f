"""Write the dashboards as JSON files."""

import sys
from pathlib import Path

from tallystick_dashboards.files import files


def main(folder: Path, runbooks: Path) -> None:
    """Write each dashboard into `folder`, and remove other JSON files there."""
    wanted = files(runbooks)
    for old in folder.glob("*.json"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
