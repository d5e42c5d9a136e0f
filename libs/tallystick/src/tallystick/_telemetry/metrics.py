"""Every metric of the library, in Prometheus form with OpenTelemetry's names; ids are no labels.

`child(METRIC, "payments-open")` returns the bound child; a repeated call costs a dict look-up.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar, cast

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

disable_created_metrics()  # type: ignore[no-untyped-call]  # half of all samples, and nobody asks for them

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 250)

# Messages in.
PROCESS_SECONDS = Histogram(
    "messaging_process_duration_seconds",
    "From the start of a handler to its commit or its error",
    ["durable", "outcome"],
    buckets=_FAST,
)
CONSUMED = Counter(
    "messaging_client_consumed_messages_total",
    "Deliveries received from the broker",
    ["durable"],
)
REDELIVERED = Counter(
    "messaging_redelivered_messages_total",
    "Deliveries that the broker had delivered before",
    ["durable"],
)
DUPLICATES = Counter(
    "messaging_inbox_duplicates_total",
    "Messages that the inbox knew already and that changed nothing",
    ["durable"],
)
FAILED_AFTER_COMMIT = Counter(
    "messaging_failed_after_commit_total",
    "Handlers that raised, or tried to commit again, after their commit: that was not done",
    ["durable"],
)
DEAD_LETTERED = Counter(
    "messaging_dead_lettered_messages_total",
    "Messages given up, by the reason",
    ["durable", "reason"],
)
DEFERRED = Gauge(
    "messaging_deferred_messages",
    "Messages that wait in the held table",
    ["durable", "state"],
)
ORPHANED = Gauge(
    "messaging_orphaned_messages",
    "Messages that wait in the held table for a handler that this release does not declare",
    ["durable"],
)
CIRCUIT_OPEN = Gauge(
    "messaging_circuit_open", "1 while the outside does not answer an effect", ["durable"]
)
ATTEMPTS = Counter(
    "messaging_deferred_attempts_total",
    "Attempts at held messages, by how they ended",
    ["durable", "outcome"],
)
EXPIRED_LEASES = Counter(
    "messaging_expired_leases_total",
    "Claims on held messages that a replica took with it when it went",
    ["durable"],
)
LAG = Gauge(
    "messaging_consumer_actionable_lag",
    "Messages that a durable has neither received nor settled",
    ["durable"],
)
DURABLE_READY = Gauge(
    "messaging_durable_ready",
    "1 while a durable is at the broker as it was declared; without that, nothing is read by it",
    ["durable"],
)
IN_HAND = Gauge(
    "messaging_consumer_in_hand_messages",
    "Deliveries that this replica holds and has not settled",
    ["durable"],
)

# Messages out.
SENT = Counter(
    "messaging_client_sent_messages_total",
    "Messages that the broker confirmed, by the subject without its shard",
    ["template"],
)
SEND_FAILED = Counter(
    "messaging_client_send_failures_total",
    "Publications refused or left without an answer",
    ["template", "error"],
)
OUTBOX_PENDING = Gauge("messaging_outbox_pending_messages", "Outbox rows not yet confirmed as sent")
OUTBOX_AGE = Gauge("messaging_outbox_oldest_age_seconds", "Age of the oldest row not yet sent")
REPUBLISHED = Counter(
    "messaging_outbox_republished_messages_total",
    "Outbox rows raised to a further emission",
    ["template"],
)

# The parts a service stands on.
BROKER_CONNECTED = Gauge("messaging_client_connected", "1 while connected to the broker")
RECONNECTS = Counter("messaging_client_reconnects_total", "Connections to the broker made anew")
COMMIT_SECONDS = Histogram(
    "db_client_commit_duration_seconds",
    "From the start of a group's transaction to its commit",
    ["group"],
    buckets=_FAST,
)
COMMIT_UNITS = Histogram(
    "db_client_commit_units", "Units of work in one group's transaction", ["group"], buckets=_SIZES
)
CONFLICTS = Counter(
    "db_client_conflicts_total", "Units rolled back because a row was not as it was read", ["group"]
)
COMMIT_WAITING = Gauge(
    "db_client_commit_waiting_units", "Units of work that no transaction has taken yet", ["group"]
)
DB_AVAILABLE = Gauge("db_client_available", "1 while the database answers")
DB_CONNECTIONS = Gauge(
    "db_client_connection_count", "Connections to the database, by `used` and `idle`", ["state"]
)
DB_WAIT_SECONDS = Histogram(
    "db_client_connection_wait_time_seconds",
    "What a query outside a group waited for its connection",
    buckets=_FAST,
)
DB_PENDING = Gauge(
    "db_client_connection_pending_requests",
    "Who waits for a connection, by its purpose",
    ["pool"],
)
DB_TIMEOUTS = Counter(
    "db_client_connection_timeouts_total",
    "Who waited in vain for a connection: all of its purpose were in use",
    ["pool"],
)

# What is done for ever.
FAILURES_IN_A_ROW = Gauge(
    "messaging_periodic_failures_in_a_row",
    "Failures of something periodic since it last succeeded",
    ["act"],
)
LOOP_RESTARTS = Counter(
    "messaging_loop_restarts_total", "Loops that ended by an error and began again", ["loop"]
)

# HTTP.
HTTP_SERVER_SECONDS = Histogram(
    "http_server_request_duration_seconds",
    "From the request's head to the response's last byte",
    ["method", "route", "status"],
    buckets=_FAST,
)
HTTP_SERVER_ERRORS = Counter(
    "http_server_unexpected_errors_total", "Requests that ended in an unforeseen error", ["error"]
)
HTTP_CLIENT_SECONDS = Histogram(
    "http_client_request_duration_seconds",
    "Outside calls, by the status or the error they ended in",
    ["server", "method", "status"],
    buckets=_FAST,
)

# Telemetry itself.
SPANS_LOST = Counter("telemetry_spans_lost_total", "Spans that were recorded and could not be sent")

M = TypeVar("M", bound=MetricWrapperBase)
_children: dict[tuple[MetricWrapperBase, tuple[str, ...]], MetricWrapperBase] = {}


def child(metric: M, *labels: str) -> M:
    """Return the metric bound to its labels' values."""
    key = (metric, labels)
    found = _children.get(key)
    if found is None:
        found = _children[key] = metric.labels(*labels)
    return cast("M", found)


def forget(metric: MetricWrapperBase, *labels: str) -> None:
    """Tell nothing of it any more: what is not known is neither zero nor what it was."""
    if _children.pop((metric, labels), None) is not None:
        metric.remove(*labels)


def begin(durables: Iterable[str], reasons: Sequence[str]) -> None:
    """Begins what is counted of these durables at zero; a message dies of one of the `reasons`.

    The rate of a counter that appears with its first event does not see that event: the first dead
    letter of a durable would alarm nobody.
    """
    for durable in durables:
        for counter in (CONSUMED, REDELIVERED, DUPLICATES, FAILED_AFTER_COMMIT, EXPIRED_LEASES):
            child(counter, durable)
        for reason in reasons:
            child(DEAD_LETTERED, durable, reason)
