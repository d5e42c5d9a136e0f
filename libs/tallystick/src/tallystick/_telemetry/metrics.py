"""All metrics of the library, with OpenTelemetry's names as Prometheus writes them.

An id is never a label. `child(METRIC, "payments-open")` returns the metric bound to its labels; a
repeated call costs a dict look-up.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, overload

from prometheus_client import Counter, Gauge, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

from tallystick._telemetry.histogram import Histogram, Observations

disable_created_metrics()  # type: ignore[no-untyped-call]  # half of all samples, and nothing uses them

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
    "Messages that the inbox had already and that changed nothing",
    ["durable"],
)
FAILED_AFTER_COMMIT = Counter(
    "messaging_failed_after_commit_total",
    "Handlers that raised after their commit, or tried to commit again, which was not done",
    ["durable"],
)
NOT_AWAITED = Counter(
    "messaging_not_awaited_total",
    "Calls that were made and never awaited: nothing of them was done",
    ["call"],
)
REPLIES_REFUSED = Counter(
    "messaging_refused_replies_total",
    "Requests without an answer: their reply subject is not in the inbox of the requester",
    ["template"],
)
DEAD_LETTERED = Counter(
    "messaging_dead_lettered_messages_total",
    "Messages that became dead letters, by reason",
    ["durable", "reason"],
)
DEFERRED = Gauge(
    "messaging_deferred_messages",
    "Messages that are deferred, by state",
    ["durable", "state"],
)
ORPHANED = Gauge(
    "messaging_orphaned_messages",
    "Deferred messages whose handler this release does not declare",
    ["durable"],
)
CIRCUIT_OPEN = Gauge(
    "messaging_circuit_open", "1 while an effect's outside API does not answer", ["durable"]
)
ATTEMPTS = Counter(
    "messaging_deferred_attempts_total",
    "Attempts at deferred messages, by how they ended",
    ["durable", "outcome"],
)
EXPIRED_LEASES = Counter(
    "messaging_expired_leases_total",
    "Leases of deferred messages that expired because their replica was gone",
    ["durable"],
)
LAG = Gauge(
    "messaging_consumer_actionable_lag",
    "Messages that a durable has neither received nor settled",
    ["durable"],
)
DURABLE_READY = Gauge(
    "messaging_durable_ready",
    "1 while a durable exists as declared; while it does not, the service does not read by it",
    ["durable"],
)
IN_HAND = Gauge(
    "messaging_consumer_in_hand_messages",
    "Deliveries that this replica has received and not settled",
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
    "Publications that the broker refused or did not confirm in time",
    ["template", "error"],
)
OUTBOX_PENDING = Gauge("messaging_outbox_pending_messages", "Outbox rows not yet confirmed as sent")
PARTITIONS_UNTIL = Gauge(
    "messaging_partitions_end_timestamp_seconds",
    "Until when there are partitions: messages that are made later could not be stored",
    ["table"],
)
KEPT_SINCE = Gauge(
    "messaging_kept_since_timestamp_seconds",
    "Since when messages are kept: the start of the table's oldest partition",
    ["table"],
)
KEPT_BYTES = Gauge("messaging_kept_bytes", "Bytes of a table's partitions", ["table"])
KEPT_LIMIT = Gauge(
    "messaging_kept_limit_bytes",
    "Bytes that inbox and outbox may take together; 0 if no limit is set",
)
OUTBOX_REFUSED = Gauge(
    "messaging_outbox_refused_messages",
    "Outbox rows that the broker refuses for good, such as those over the stream's own limits",
)
OUTBOX_AGE = Gauge("messaging_outbox_oldest_age_seconds", "Age of the oldest row not yet sent")
REPUBLISHED = Counter(
    "messaging_outbox_republished_messages_total",
    "Outbox rows that were published again because the broker may have lost them",
    ["template"],
)

# The account.
ACCOUNT_MISSING = Gauge(
    "messaging_account_missing_messages",
    "Messages that the broker lost before the durable received them, as the last look found",
    ["durable", "source"],
)
ACCOUNT_UNKNOWN = Gauge(
    "messaging_account_unknown_messages",
    "Messages that the durable received and that the source denies; accepted ones are left out",
    ["durable", "source"],
)
ACCOUNT_SETTLED = Gauge(
    "messaging_account_settled_timestamp_seconds",
    "Until when the durable has received all that its source published, agreed for good",
    ["durable", "source"],
)
SET_BACK = Gauge(
    "messaging_database_set_back_messages",
    "At most so many messages the stream holds, and neither the durable nor the source knows",
    ["durable", "source"],
)
SET_BACK_SINCE = Gauge(
    "messaging_database_set_back_timestamp_seconds",
    "When the oldest message was made that the durable and the source have forgotten",
    ["durable", "source"],
)
ACCOUNT_REPUBLISHED = Counter(
    "messaging_account_republished_messages_total",
    "Lost messages that the source published again because this replica asked for them",
    ["durable", "source"],
)

# The broker and the database.
BROKER_CONNECTED = Gauge("messaging_client_connected", "1 while connected to the broker")
RECONNECTS = Counter("messaging_client_reconnects_total", "Reconnections to the broker")
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
    "db_client_commit_waiting_units", "Units of work that wait for a transaction", ["group"]
)
DB_AVAILABLE = Gauge("db_client_available", "1 while the database answers")
DB_CONNECTIONS = Gauge(
    "db_client_connection_count", "Connections to the database, by `used` and `idle`", ["state"]
)
DB_WAIT_SECONDS = Histogram(
    "db_client_connection_wait_time_seconds",
    "Time that a query outside a group waited for its connection",
    [],
    buckets=_FAST,
)
DB_WAIT_SECONDS.labels()
DB_PENDING = Gauge(
    "db_client_connection_pending_requests",
    "Requests that wait for a connection, by its purpose",
    ["pool"],
)
DB_TIMEOUTS = Counter(
    "db_client_connection_timeouts_total",
    "Requests that got no connection in time, because all of its purpose were in use",
    ["pool"],
)

# Loops and periodic acts.
FAILURES_IN_A_ROW = Gauge(
    "messaging_periodic_failures_in_a_row",
    "Failures of a periodic act since its last success",
    ["act"],
)
LOOP_RESTARTS = Counter(
    "messaging_loop_restarts_total", "Loops that ended by an error and were restarted", ["loop"]
)

# HTTP.
HTTP_SERVER_SECONDS = Histogram(
    "http_server_request_duration_seconds",
    "From the request's head to the last byte of the response",
    ["method", "route", "status"],
    buckets=_FAST,
)
HTTP_SERVER_ERRORS = Counter(
    "http_server_unexpected_errors_total", "Requests that ended in an unexpected error", ["error"]
)
HTTP_CLIENT_SECONDS = Histogram(
    "http_client_request_duration_seconds",
    "Outside calls, by the status or the error that they ended in",
    ["server", "method", "status"],
    buckets=_FAST,
)

# Telemetry itself.
SPANS_LOST = Counter("telemetry_spans_lost_total", "Spans that were recorded and could not be sent")

M = TypeVar("M", bound=MetricWrapperBase)
_children: dict[tuple[MetricWrapperBase | Histogram, tuple[str, ...]], Any] = {}


@overload
def child(metric: M, *labels: str) -> M: ...


@overload
def child(metric: Histogram, *labels: str) -> Observations: ...


def child(metric: M | Histogram, *labels: str) -> M | Observations:
    """Return the metric bound to its labels' values."""
    key = (metric, labels)
    found: M | Observations | None = _children.get(key)
    if found is None:
        found = _children[key] = metric.labels(*labels)
    return found


def forget(metric: MetricWrapperBase, *labels: str) -> None:
    """Remove a metric's child: a value that is not known is neither zero nor the old one."""
    if _children.pop((metric, labels), None) is not None:
        metric.remove(*labels)


def begin(durables: Iterable[str], reasons: Sequence[str]) -> None:
    """Start the counters of these durables at zero, that of dead letters for each of `reasons`.

    The rate of a counter that appears with its first event does not include that event, so the
    first dead letter of a durable would raise no alert.
    """
    for durable in durables:
        for counter in (CONSUMED, REDELIVERED, DUPLICATES, FAILED_AFTER_COMMIT, EXPIRED_LEASES):
            child(counter, durable)
        for reason in reasons:
            child(DEAD_LETTERED, durable, reason)
