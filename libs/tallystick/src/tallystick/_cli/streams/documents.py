"""The documents that charts and the operator read: topology and permissions of a service."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tallystick._cli.errors import UsedWrongly, reason_of
from tallystick._cli.output import say
from tallystick._messages.router import Router
from tallystick.topology import (
    declared,
    document_of,
    permissions,
    permissions_of,
    reconciler_permissions,
    written,
)

RECONCILER = "operator"
"""The user that makes the broker match the documents."""


def show_documents(routers: Iterable[Router]) -> None:
    """Print the document of each service."""
    for router in routers:
        say(document(router).rstrip())


def write_documents(folder: Path, routers: Sequence[Router]) -> None:
    """Write `<service>.json` for each, and `operator.json`: the reconciler's permissions."""
    texts = {router.name: document(router) for router in routers}
    texts[RECONCILER] = written({"permissions": permissions_of(reconciler_permissions(RECONCILER))})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / f"{name}.json").write_text(text)
    except OSError as error:
        raise UsedWrongly(f"cannot write into {folder}: {reason_of(error)}") from error


def document(router: Router) -> str:
    """Return the document of a service, with the default times of the settings."""
    of_service = document_of(declared(router))
    return written({**of_service, "permissions": permissions_of(permissions(router))})
