"""The passwords of one platform, created once and kept in its state folder."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from tallystick_local.services import ALL

NAMES = ("postgres", "admin", "webhook", *ALL)


def passwords(file: Path) -> Mapping[str, str]:
    """Return the passwords by name, create missing ones; only the owner may read the file."""
    kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
    if missing := [name for name in NAMES if name not in kept]:
        kept |= {name: secrets.token_hex(16) for name in missing}
        draft = file.with_name(file.name + ".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(kept))
        draft.rename(file)
    return kept
