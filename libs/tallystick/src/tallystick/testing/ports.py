"""TCP ports of 127.0.0.1."""

import secrets
import socket

HOST = "127.0.0.1"
# Below the ports that systems give to outgoing connections: such a connection could take the port
# of a server while it is started again.
_RANGE = range(15_000, 32_000)
_TRIES = 1_000


def free_port() -> int:
    """Return a port on which nothing listens now; raises OSError if none is found."""
    for _ in range(_TRIES):
        port = secrets.choice(_RANGE)
        if is_free(port):
            return port
    raise OSError(f"no free port found from {_RANGE.start} to {_RANGE.stop - 1}")


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` now."""
    try:
        with socket.create_server((HOST, port)):
            return True
    except OSError:
        return False
