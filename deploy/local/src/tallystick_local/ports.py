"""Choose the port of each address of the platform."""

from collections.abc import Callable, Mapping

from tallystick_local.errors import BusyPortError, WrongSettingError
from tallystick_local.services import ALL, Service

ADMIN = 1000
"""The difference between a service's admin port and its port."""


def usual(services: Mapping[str, Service]) -> dict[str, int]:
    """Return the usual port of each address, by name."""
    return {
        **{name: service.port for name, service in services.items()},
        **{f"{name}-admin": service.port + ADMIN for name, service in services.items()},
        "nats": 4222,
        "postgres": 5433,
    }


DEFAULTS = usual(ALL)


def variable(name: str) -> str:
    """Return the environment variable that chooses a port, such as `ORDERS_ADMIN_PORT`."""
    return f"{name.replace('-', '_').upper()}_PORT"


def asked(environment: Mapping[str, str]) -> dict[str, int]:
    """Return the ports that the environment chooses, by name; raise WrongSettingError."""
    found = {
        name: environment[variable(name)] for name in DEFAULTS if variable(name) in environment
    }
    wrong = [f"{variable(name)}={text}" for name, text in found.items() if not _is_port(text)]
    if wrong:
        raise WrongSettingError(f"not a port from 1 to 65535: {', '.join(wrong)}")
    return {name: int(text) for name, text in found.items()}


def choose(
    defaults: Mapping[str, int],
    wanted: Mapping[str, int],
    is_free: Callable[[int], bool],
    free_port: Callable[[], int],
) -> dict[str, int]:
    """Return a different free port for every name in `defaults`, where 0 means any port.

    Raises BusyPortError if a port in `wanted` is busy; for a busy default it takes another port.
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
