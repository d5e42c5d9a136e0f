"""A Kubernetes API that knows secrets and nothing else."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

TOKEN = "the job's account"


class Secrets:
    """The secrets of one namespace, and the requests that changed them."""

    def __init__(self) -> None:
        self.data: dict[str, dict[str, str]] = {}
        self.labels: dict[str, dict[str, str]] = {}
        self.changes: list[tuple[str, str]] = []
        self.url = ""


@contextmanager
def serving() -> Iterator[Secrets]:
    """Serve an empty namespace."""
    secrets = Secrets()

    class Handler(_Handler):
        kept = secrets

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    secrets.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield secrets
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    kept: Secrets

    def do_GET(self) -> None:
        self._answer(self._name() in self.kept.data)

    def do_POST(self) -> None:
        body = self._body()
        name = body["metadata"]["name"]
        self.kept.changes.append(("create", name))
        self.kept.data[name], self.kept.labels[name] = (
            body["stringData"],
            body["metadata"]["labels"],
        )
        self._answer(True, name)

    def do_PATCH(self) -> None:
        assert self.headers["Content-Type"] == "application/merge-patch+json"
        self.kept.changes.append(("change", self._name()))
        self.kept.data[self._name()] |= self._body()["stringData"]
        self._answer(True)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _name(self) -> str:
        return self.path.rpartition("/")[2]

    def _body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, found: bool, name: str | None = None) -> None:
        assert self.headers["Authorization"] == f"Bearer {TOKEN}"
        data = self.kept.data.get(name or self._name(), {})
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        answer = json.dumps({"data": encoded} if found else {"message": "not found"}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
