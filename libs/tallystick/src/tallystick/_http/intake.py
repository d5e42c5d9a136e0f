"""Check a request before the application sees it: HEAD becomes GET, a body is complete JSON."""

from starlette.types import Message, Receive, Scope

from tallystick._http.body import LARGEST, Head, read_json
from tallystick._http.problem import Problem


async def take_in(
    scope: Scope, head: Head, receive: Receive, *, largest: int = LARGEST
) -> tuple[Scope, Receive]:
    """Return the scope and the receive for the application; a body has `largest` bytes at most.

    HEAD becomes GET, so that no route has to declare it; the server leaves out the answer's body.
    Raises a Problem (400, 413, 415, 422) or Disconnected.
    """
    _check_target(scope)
    if head.has_body:
        receive = _Body(await read_json(head, receive, largest), receive)
    if scope["method"] == "HEAD":
        scope = {**scope, "method": "GET"}
    return scope, receive


def _check_target(scope: Scope) -> None:
    """Refuse NUL, which the database cannot store in a text."""
    for place, text in (("path", scope["path"]), ("query", scope["query_string"])):
        if (b"%00" in text) if isinstance(text, bytes) else ("\0" in text):
            raise Problem(400, detail=f"The {place} must not contain NUL.")


class _Body:
    """Returns a body that was already read, then what else the client sends."""

    __slots__ = ("_body", "_receive")

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}
