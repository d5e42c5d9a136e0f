"""Where the platform is: named by options, by the environment, or by a file."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from tallystick._addresses import address_of
from tallystick._cli.errors import UsedWrongly

NATS_URL, ADMIN, TOKEN, CONFIG = (
    "TALLY_NATS_URL",
    "TALLY_ADMIN",
    "TALLY_ADMIN_TOKEN",
    "TALLY_CONFIG",
)
HTTP, NATS = ("http", "https"), ("nats", "tls")
SETTINGS = (NATS_URL, ADMIN, TOKEN)
FOUND_BY_ITSELF = Path(".state/tally.env")
"""The file of a platform on this machine; looked for in this folder and those above."""
_HINT = f"or name a file with it by {CONFIG} ({FOUND_BY_ITSELF}, here or above, is found by itself)"
_START = "to start one here: tally dev <service>, or what your platform has for it, as make up"
_SERVICE = re.compile(r"[a-z][a-z0-9-]*")

Admins = Mapping[str, tuple[str, ...]]
"""The admin addresses of each service, one for each of its replicas."""


@dataclass(frozen=True)
class Places:
    """The addresses of the broker and the services, and the admin token of the services."""

    nats_url: str | None
    admins: Admins
    token: str | None

    def broker(self) -> str:
        """Return the broker's URL; raises UsedWrongly."""
        if self.nats_url is None:
            raise UsedWrongly(f"no broker is known: set {NATS_URL}=nats://..., {_HINT}; {_START}")
        if not all(_is_url(url.strip(), NATS) for url in self.nats_url.split(",")):
            raise UsedWrongly(f"the broker's URL is not of the form {NATS_URL}=nats://HOST:4222")
        return self.nats_url

    def services(self) -> Admins:
        """Return the services that are known; raises UsedWrongly if there is none."""
        if not self.admins:
            setting = f"{ADMIN}=orders=http://127.0.0.1:9001,..."
            raise UsedWrongly(f"no service is known: set {setting}, {_HINT}; {_START}")
        if self.token is None:
            raise UsedWrongly(f"the services' admin token is not known: set {TOKEN}, {_HINT}")
        return self.admins

    def only(self, service: str | None) -> Places:
        """Return the same with one service, or with all if none is named; raises UsedWrongly."""
        if service is None:
            return self
        if service not in self.services():
            known = ", ".join(self.admins)
            raise UsedWrongly(f"no service {service} is known, only {known}")
        return replace(self, admins={service: self.admins[service]})


def find(
    nats_url: str | None = None,
    admin: Sequence[str] = (),
    config: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Places:
    """Return where the platform is: from options, and else from the environment or a file.

    A file that is found by itself counts only if the environment sets none of the settings: so a
    token is never sent to an address that somebody else wrote down. Raises UsedWrongly.
    """
    from_environment = {name: environment[name] for name in SETTINGS if environment.get(name)}
    file = config or (Path(environment[CONFIG]) if environment.get(CONFIG) else None)
    given = read(file) if file else from_environment or _found(Path.cwd())
    return Places(
        nats_url or given.get(NATS_URL),
        parse_admins(admin or re.split(r"[,\s]+", given.get(ADMIN, ""))),
        given.get(TOKEN),
    )


def _found(start: Path) -> Mapping[str, str]:
    files = (folder / FOUND_BY_ITSELF for folder in (start, *start.parents))
    return next((read(file) for file in files if file.is_file()), {})


def read(file: Path) -> dict[str, str]:
    """Return the settings in a file of lines like NAME=value; raises UsedWrongly."""
    try:
        lines = file.read_text().splitlines()
        words = [word for line in lines for word in shlex.split(line, comments=True)]
    except (OSError, ValueError) as error:
        raise UsedWrongly(f"cannot read the settings in {file}: {error}") from error
    pairs = (word.partition("=") for word in words)
    return {name: value for name, equals, value in pairs if equals and name in SETTINGS}


def parse_admins(texts: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return addresses by service from texts like `orders=http://127.0.0.1:9001`.

    A service that is named several times has several replicas. Raises UsedWrongly.
    """
    found: dict[str, tuple[str, ...]] = {}
    for text in filter(None, texts):
        name, _, url = text.partition("=")
        if not _SERVICE.fullmatch(name) or not _is_url(url, HTTP):
            given = f"{name}={address_of(url)}" if url else address_of(name)
            raise UsedWrongly(f'"{given}" is not of the form orders=http://127.0.0.1:9001')
        found[name] = (*found.get(name, ()), url.rstrip("/"))
    return found


def _is_url(url: str, schemes: Collection[str]) -> bool:
    """Whether the URL has one of these schemes, a host and a possible port."""
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # for example an open bracket, or port 70000
        return False
