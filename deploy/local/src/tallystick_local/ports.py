"""Which port each address of the platform gets."""

from collections.abc import Callable, Mapping

from tallystick_local.errors import BusyPortError, WrongSettingError
from tallystick_local.services import LISTED

ADMIN = 1000
"""So much higher than a service's port is its admin port."""

DEFAULTS = {
    **{name: service.port for name, service in LISTED.items()},
    **{f"{name}-admin": service.port + ADMIN for name, service in LISTED.items()},
    "nats": 4222,
    "postgres": 5433,
}


def variable(name: str) -> str:
    """Return the environment variable that asks for a port: `ORDERS_ADMIN_PORT`."""
    return f"{name.replace('-', '_').upper()}_PORT"


def asked(environment: Mapping[str, str]) -> dict[str, int]:
    """Return the ports that the environment asks for, by name; raises WrongSettingError."""
    found = {
        name: environment[variable(name)] for name in DEFAULTS if variable(name) in environment
    }
    wrong = [f"{variable(name)}={text}" for name, text in found.items() if not _is_port(text)]
    if wrong:
        raise WrongSettingError(f"not a port: {', '.join(wrong)}")
    return {name: int(text) for name, text in found.items()}


def choose(
    defaults: Mapping[str, int],
    wanted: Mapping[str, int],
    is_free: Callable[[int], bool],
    free_port: Callable[[], int],
) -> dict[str, int]:
    """Return a port of its own, free now, for every name in `defaults` (0: any).

    A port that was asked for must be free, else BusyPortError; a default that is busy gives way.
    """
    busy = [f"{port} ({variable(name)})" for name, port in wanted.items() if not is_free(port)]
    if busy:
        raise BusyPortError(f"in use by another program: port {', '.join(busy)}")
    chosen = dict(wanted)
    for name in defaults.keys() - wanted.keys():
        port = defaults[name]
        while not port or port in chosen.values() or not is_free(port):
            port = free_port()
        chosen[name] = port
    return chosen


def _is_port(text: str) -> bool:
    return text.isdecimal() and 0 < int(text) < 65_536
