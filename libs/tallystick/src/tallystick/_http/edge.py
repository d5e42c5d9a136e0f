"""The outermost middleware: checks each request, traces and counts it, answers its errors."""

from collections.abc import Mapping
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallystick._http.body import Disconnected, Head, read_head
from tallystick._http.intake import take_in
from tallystick._http.problem import Problem, unexpected
from tallystick._telemetry import metrics, traceparent, tracing
from tallystick._telemetry.awaiting import note_unawaited
from tallystick.errors import NotAwaited

_METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))
GONE = 499  # the client disconnected before the answer


class Edge:
    """ASGI middleware; answers bad requests with a problem: the application gets complete JSON.

    With `trust_traceparent` a request's trace is continued, else a new trace is linked to it.
    """

    def __init__(self, app: ASGIApp, *, trust_traceparent: bool = False) -> None:
        self._app = app
        self._trust_traceparent = trust_traceparent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, method = perf_counter(), scope["method"]
        head = read_head(scope["headers"])
        answer = Answer(send, note_unawaited())
        with self._span(head) as span:
            try:
                scope, receive = await take_in(scope, head, receive)
                await self._app(scope, receive, answer)
            except Problem as problem:
                await problem.response(scope)(scope, receive, answer)
            except Disconnected:
                answer.status = GONE
            except Exception as error:
                span.fail(error)
                refusal = unexpected(error, scope)
                if answer.status:
                    raise  # the answer has begun: the server closes the connection
                await refusal(scope, receive, answer)
            finally:
                _describe(scope, method, answer.status or GONE, span)
                _count(scope, method, answer.status or GONE, perf_counter() - started)

    def _span(self, head: Head) -> tracing.Span:
        if self._trust_traceparent or head.traceparent is None:
            return tracing.span("HTTP", tracing.SERVER, parent=head.traceparent)
        # Our own ratio decides whether it is sampled: no client may have all its requests sampled.
        received = traceparent.parse(head.traceparent)
        links = (traceparent.unsampled(received),) if received else ()
        return tracing.span("HTTP", tracing.SERVER, links=links)


class Answer:
    """Sends an answer and remembers its status.

    One that a route gives which lacks an await would promise what was not done: NotAwaited.
    """

    __slots__ = ("_noted", "_send", "status")

    def __init__(self, send: Send, noted: list[NotAwaited]) -> None:
        self._send = send
        self._noted = noted
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self._noted:
                raise self._noted.pop()
            self.status = message["status"]
        await self._send(message)


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "none")


def _describe(scope: Scope, method: str, status: int, span: tracing.Span) -> None:
    """Set the span's name and attributes, now that route and status are known, if it is needed."""
    if status >= 500:
        span.fail(span.error or Problem(status))
    if span.sampled or span.error:
        route = _route(scope)
        span.name = f"{method} {route}"
        attributes: Mapping[str, str | int] = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
            "url.path": scope["path"],
        }
        span.attributes = attributes


def _count(scope: Scope, method: str, status: int, seconds: float) -> None:
    method = method if method in _METHODS else "_OTHER"
    metric = metrics.child(metrics.HTTP_SERVER_SECONDS, method, _route(scope), str(status))
    metric.observe(seconds)
