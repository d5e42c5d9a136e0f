"""Tells Prometheus how full volumes are: `volume_metrics.py PORT PATH...`. Needs Python alone.

Kubernetes tells it only to those who may ask every node.
"""

import os
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Sizes = Mapping[str, tuple[int, int]]
"""Of each volume, by the path where it is mounted: its bytes, and how many of them are free."""


def sizes(paths: list[str]) -> Sizes:
    """Return how large and how empty volumes are now; raise OSError."""
    found = {path: os.statvfs(path) for path in paths}
    return {
        path: (one.f_blocks * one.f_frsize, one.f_bavail * one.f_frsize)
        for path, one in found.items()
    }


def told(found: Sizes) -> str:
    """Return the metrics as Prometheus reads them."""
    metrics = {
        "volume_size_bytes": {path: size for path, (size, _) in found.items()},
        "volume_free_bytes": {path: free for path, (_, free) in found.items()},
    }
    lines = []
    for name, values in metrics.items():  # the lines of one metric must stand together
        lines.append(f"# TYPE {name} gauge")
        lines += [f'{name}{{path="{path}"}} {value}' for path, value in values.items()]
    return "\n".join([*lines, ""])


class Metrics(BaseHTTPRequestHandler):
    """Answers every GET with the metrics of the server's paths."""

    paths: list[str]

    def do_GET(self) -> None:
        """Answer; a volume that cannot be read is a 500 with the reason."""
        try:
            status, text = 200, told(sizes(self.paths))
        except OSError as error:
            status, text = 500, str(error)
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing of requests that come every few seconds."""


if __name__ == "__main__":
    Metrics.paths = sys.argv[2:]
    ThreadingHTTPServer(("", int(sys.argv[1])), Metrics).serve_forever()
