"""TCP ports of 127.0.0.1."""

import socket

HOST = "127.0.0.1"


def free_port() -> int:
    """Return a port that nothing listens on at the time of asking."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Whether a server could listen on ``port`` now."""
    try:
        with socket.create_server((HOST, port)):
            return True
    except OSError:
        return False
