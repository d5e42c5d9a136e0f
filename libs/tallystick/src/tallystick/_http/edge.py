"""What every request passes first: its body, its trace, its time and its unforeseen errors."""

from collections.abc import Mapping
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallystick._http.body import Disconnected, read_head, read_json
from tallystick._http.problem import Problem, unexpected
from tallystick._telemetry import metrics, tracing

_METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))
GONE = 499  # the client went before there was an answer


class Edge:
    """ASGI middleware; refuses with a problem, so that the application sees whole JSON only."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        head = read_head(scope["headers"])
        answer = _Answer(send)
        with tracing.span("HTTP", tracing.SERVER, parent=head.traceparent) as span:
            try:
                _check_target(scope)
                if head.has_body:
                    receive = _Body(await read_json(head, receive), receive)
                await self._app(scope, receive, answer)
            except Problem as problem:
                await problem.response(scope)(scope, receive, answer)
            except Disconnected:
                answer.status = GONE
            except Exception as error:
                span.fail(error)
                refusal = unexpected(error, scope)
                if answer.status:
                    raise  # the server closes the connection: half an answer is no answer
                await refusal(scope, receive, answer)
            finally:
                _tell(scope, answer.status or GONE, span)
                _count(scope, answer.status or GONE, perf_counter() - started)


class _Answer:
    """Passes an answer on and remembers its status."""

    __slots__ = ("_send", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


class _Body:
    """Gives a body that was read before, then what else comes from the client."""

    __slots__ = ("_body", "_receive")

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def _check_target(scope: Scope) -> None:
    """Refuse what no text of the database can hold."""
    for place, text in (("path", scope["path"]), ("query", scope["query_string"])):
        if (b"%00" in text) if isinstance(text, bytes) else ("\0" in text):
            raise Problem(400, detail=f"The {place} must not contain NUL.")


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "none")


def _tell(scope: Scope, status: int, span: tracing.Span) -> None:
    """Name the span by what is known only now, if it may be recorded."""
    if status >= 500:
        span.fail(span.error or Problem(status))
    if span.sampled or span.error:
        method, route = scope["method"], _route(scope)
        span.name = f"{method} {route}"
        attributes: Mapping[str, str | int] = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "url.path": scope["path"],
        }
        span.attributes = attributes


def _count(scope: Scope, status: int, seconds: float) -> None:
    method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
    metric = metrics.child(metrics.HTTP_SERVER_SECONDS, method, _route(scope), str(status))
    metric.observe(seconds)
