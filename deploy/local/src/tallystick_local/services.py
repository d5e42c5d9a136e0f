"""The services of the platform, as `deploy/services.toml` lists them, and the examples."""

from pathlib import Path
from typing import Final

import msgspec

LIST: Final = Path(__file__).parents[3] / "services.toml"
EXAMPLES_LIST: Final = LIST.parents[1] / "examples" / "services.toml"


class Service(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One service: its port, whether it uses the broker, and a note about its address."""

    port: int
    messages: bool
    note: str = ""


def listed(text: str) -> dict[str, Service]:
    """Return the services of a list by name, in its order; raise msgspec.ValidationError."""
    return msgspec.toml.decode(text, type=dict[str, Service])


LISTED: Final = listed(LIST.read_text())
SERVICES: Final = tuple(LISTED)
MESSAGING: Final = tuple(name for name, service in LISTED.items() if service.messages)
"""Those that declare streams and durables, and have a user at the broker."""
EXAMPLES: Final = listed(EXAMPLES_LIST.read_text())
"""What runs beside the platform if it is asked for."""
ALL: Final = {**LISTED, **EXAMPLES}
