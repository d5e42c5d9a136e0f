"""Measure and trace outside calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from tallystick._failpoints import failpoint
from tallystick._telemetry import metrics, tracing


class Call:
    """One outside call: `headers` carry its trace, `status` is the status of its answer."""

    __slots__ = ("headers", "status")

    def __init__(self, traceparent: str) -> None:
        self.headers = {"traceparent": traceparent}
        self.status = 0


@contextmanager
def client_span(server: str, method: str) -> Iterator[Call]:
    """Measure and trace a call to `server`, which becomes a metric's label: use few names.

    Set `status` when the answer has come. An error that leaves the block is the call's outcome.
    """
    started = perf_counter()
    outcome = "none"
    with tracing.span(f"{method} {server}", tracing.CLIENT) as span:
        call = Call(span.traceparent)
        try:
            yield call
            failpoint("after-outside-call")
            outcome = str(call.status or "none")
        except BaseException as error:
            outcome = type(error).__qualname__
            raise
        finally:
            span.attributes = {
                "server.address": server,
                "http.request.method": method,
                "http.response.status_code": call.status,
            }
            metric = metrics.child(metrics.HTTP_CLIENT_SECONDS, server, method, outcome)
            metric.observe(perf_counter() - started)
