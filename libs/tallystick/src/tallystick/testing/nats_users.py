"""Users of a NATS server that may do only what their service's declarations need."""

import json
from collections.abc import Mapping
from typing import Any

from tallystick.topology import Permissions

NOBODY = "nobody"
"""The user of clients without a name, such as a test itself: it may do everything."""


def authorization(users: Mapping[str, Permissions]) -> str:
    """Return the section of the server's configuration; the password of a user is its name."""
    if not users:
        return ""
    listed = [{"user": NOBODY, "password": NOBODY}, *map(_user, users, users.values())]
    return f"authorization: {json.dumps({'users': listed})}\nno_auth_user: {NOBODY}\n"


def _user(name: str, permissions: Permissions) -> dict[str, Any]:
    return {
        "user": name,
        "password": name,
        "permissions": {
            "publish": {"allow": list(permissions.publish)},
            "subscribe": {"allow": list(permissions.subscribe)},
        },
    }
