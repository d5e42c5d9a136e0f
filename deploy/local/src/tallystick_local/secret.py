"""The passwords of one platform, made once and kept in its state folder."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from tallystick_local.settings import SERVICES

NAMES = ("postgres", "admin", *SERVICES)


def passwords(file: Path) -> Mapping[str, str]:
    """Read the passwords by name, or make them; nobody else may read the file."""
    if not file.exists():
        made = {name: secrets.token_hex(16) for name in NAMES}
        draft = file.with_name(file.name + ".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(made))
        draft.rename(file)
    kept: dict[str, str] = json.loads(file.read_text())
    return kept
