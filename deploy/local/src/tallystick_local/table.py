"""Format the addresses of a platform for a person."""

from collections.abc import Mapping
from pathlib import Path

from tallystick_local.services import ALL

ADMIN = "-admin"
"""What the name of a process's admin port ends in."""


def addresses(found: Mapping[str, str], state: Path) -> str:
    """Return the addresses of a platform as a table."""
    names = sorted(found, key=lambda name: (name not in ALL, name))
    notes = {name: service.note for name, service in ALL.items()}
    rows = [(name, found[name], notes.get(name, _note(name))) for name in names]
    rows.append(("tally", f"{state / 'tally.env'}", "tally tail, timeline, dlq, ... find it"))
    rows.append(("logs", f"{state / 'logs'}/", ""))
    wide = max(len(name) for name, _, _ in rows)
    broad = max(len(url) for _, url, _ in rows if len(url) < 40)
    return "\n".join(f"  {name:{wide}}  {url:{broad}}  {note}".rstrip() for name, url, note in rows)


def _note(name: str) -> str:
    return "/metrics, /readyz" if name.endswith(ADMIN) else ""


def moved(taken: Mapping[str, int], defaults: Mapping[str, int]) -> str:
    """Return a line about the usual ports that were busy, or an empty text."""
    names = [f"{name} {defaults[name]}" for name in defaults if taken[name] != defaults[name]]
    return f"busy, so others were taken: {', '.join(names)}" if names else ""
