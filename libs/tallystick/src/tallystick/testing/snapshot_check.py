"""Compares messages with the snapshots of their schemas; a difference says what to do."""

import json
from collections.abc import Iterator
from pathlib import Path

from tallystick._messages.message import Message, MessageType, message_type

from .compatibility import Change, Schema, changes
from .snapshots import messages_of, snapshot

_MANNERS = {
    "event": "Publish both in the same commit; keep version {old} until no durable reads "
    "{subjects} and its messages have left the stream, then delete the class and {file}.",
    "job": "Commit version {new} from now on, done by a durable of its own; keep version {old} and "
    "its handler until its stream holds none of {subjects}, then delete both and {file}.",
    "request": "Answer both; keep version {old} until no service asks {subjects}, then delete "
    "the class, its handler and {file}.",
}
_VERSIONED = """\
  Make it version {new}: leave the class as {file} has it, and write beside it one with the change
  and version={new}. {manner}"""
_EFFECT = """\
  Only rows of this service contain it: give the changed effect a new name and store only that one
  from now on. Keep the old effect and its handler until no row contains it, then delete {file}."""
_HARMLESS = "  It breaks no reader of the release before: renew the snapshots (make schemas)."
_GONE = """\
{title} has a snapshot and no class in {package}.
  If nothing reads or stores it now, delete {file}; otherwise bring the class back."""


class SchemasDiffer(AssertionError):
    """Messages differ from their snapshots; the text says what to do."""


def check_schemas(package: str, folder: Path) -> None:
    """Compare every message of a package with its snapshot in `folder`; raises SchemasDiffer."""
    _raise(text for text, _ in _findings(package, folder))


def write_schemas(package: str, folder: Path) -> None:
    """Renew the snapshots of a package; raises SchemasDiffer for a change that breaks readers."""
    _raise(text for text, breaks in _findings(package, folder) if breaks)
    for cls in messages_of(package):
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(snapshot(cls), indent=2, ensure_ascii=False) + "\n"
        _file(folder, message_type(cls)).write_text(text)


def _file(folder: Path, declared: MessageType) -> Path:
    return folder / f"{declared.template}.json"


def _findings(package: str, folder: Path) -> Iterator[tuple[str, bool]]:
    """Yield what differs and what to do, and whether it breaks readers."""
    known = set(folder.glob("*.json"))
    for cls in messages_of(package):
        declared = message_type(cls)
        file = _file(folder, declared)
        if file not in known:
            yield f"{declared.template} has no snapshot yet.\n{_HARMLESS}", False
        else:
            yield from _finding(cls, file)
        known.discard(file)
    for file in sorted(known):
        yield _GONE.format(title=file.stem, package=package, file=file), True


def _finding(cls: type[Message], file: Path) -> Iterator[tuple[str, bool]]:
    before, after = json.loads(file.read_text()), snapshot(cls)
    if before == json.loads(json.dumps(after)):
        return
    found = list(_compared(before, after))
    breaking = [change for change in found if change.breaks]
    declared = message_type(cls)
    title = "has a change that breaks readers" if breaking else "has changed"
    lines = [f"{declared.template} {title}:", *(f"  - {one}" for one in breaking or found)]
    yield "\n".join([*lines, _advice(declared, file) if breaking else _HARMLESS]), bool(breaking)


def _compared(before: Schema, after: Schema) -> Iterator[Change]:
    for word in ("key", "sequence"):
        if before[word] != after[word]:
            yield Change("", f"its {word} was {before[word]}, is {after[word]}")
    yield from changes(before["schema"], after["schema"])
    yield from changes(before.get("reply", {}), after.get("reply", {}), "reply")


def _advice(declared: MessageType, file: Path) -> str:
    if declared.kind == "effect":
        return _EFFECT.format(file=file)
    old, new = declared.version, declared.version + 1
    manner = _MANNERS[declared.kind].format(
        old=old, new=new, subjects=declared.subjects, file=file.name
    )
    return _VERSIONED.format(new=new, file=file, manner=manner)


def _raise(texts: Iterator[str]) -> None:
    if found := list(texts):
        raise SchemasDiffer("\n" + "\n\n".join(found))
