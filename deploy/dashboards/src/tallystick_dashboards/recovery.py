"""*Recovery*: kills and restarts, and their effect on the platform, on one time line."""

from grafana_foundation_sdk.builders.dashboard import AnnotationQuery, Dashboard
from grafana_foundation_sdk.models import dashboard as models
from typing_extensions import override

from tallystick_dashboards.frame import frame
from tallystick_dashboards.panels import PROMETHEUS, WHOLE, bars, lines
from tallystick_dashboards.promql import all_shared, or_zero, quantile, rate, shared
from tallystick_dashboards.runbooks import Runbooks

A_SECOND = "suffix: /s"
# The same Prometheus may watch other programs: ours are those that have these metrics.
SERVICES = "and on (job) last_over_time(db_client_available[1h])"
STARTED = "time() - process_start_time_seconds < 60"
BROKER = "and on (job) last_over_time(gnatsd_varz_start[1h])"
TALL = 6


class _Starts(models.AnnotationQuery):
    """An annotation whose expression gives the times to mark."""

    @override
    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), "useValueForTime": True, "step": "15s"}


class _StartsQuery(AnnotationQuery):
    @override
    def build(self) -> models.AnnotationQuery:
        return _Starts(**vars(super().build()))


def dashboard(runbooks: Runbooks) -> Dashboard:
    """Return panels of the whole width, one below the other, so that their times line up."""
    made = frame("recovery", "Tallystick / Recovery", "Kills and restarts, and their effect")
    made.annotation(
        _starts("Service started", "orange", f"process_start_time_seconds * 1000 {SERVICES}")
    )
    made.annotation(_starts("Broker started", "red", "gnatsd_varz_start"))
    _replicas(made, runbooks)
    _serving(made, runbooks)
    _finishing(made, runbooks)
    return made


def _replicas(made: Dashboard, runbooks: Runbooks) -> None:
    restarting = [runbooks.link("ReplicasRestarting"), runbooks.link("ServiceDown")]
    made.with_panel(
        lines(
            "Replicas that answer",
            "By service; a mark on the time line is a start",
            "short",
            (f"sum by (job) (up {SERVICES} or up {BROKER})", "{{job}}"),
            width=WHOLE,
            height=TALL,
            links=restarting,
        )
    ).with_panel(
        bars(
            "Processes started in the last minute",
            "By service; each was installed, restarted or killed",
            "short",
            (or_zero(f"count by (job) ({STARTED} {SERVICES})"), "{{job}}"),
            width=WHOLE,
            height=TALL,
            links=restarting,
        )
    )


def _serving(made: Dashboard, runbooks: Runbooks) -> None:
    errors = 'status=~"5.."'
    made.with_panel(
        lines(
            "Throughput",
            "Orders placed and ended",
            A_SECOND,
            (rate("orders_placed_total"), "placed"),
            (rate("orders_ended_total"), "ended"),
            width=WHOLE,
            height=TALL,
        )
    ).with_panel(
        lines(
            "Errors",
            "Answers 5xx, attempts of handlers that failed, publications that failed",
            A_SECOND,
            (or_zero(rate("http_server_request_duration_seconds_count", where=errors)), "5xx"),
            (
                or_zero(rate("messaging_process_duration_seconds_count", where='outcome!="done"')),
                "attempts",
            ),
            (or_zero(rate("messaging_client_send_failures_total")), "publications"),
            width=WHOLE,
            height=TALL,
            links=[runbooks.link("OrdersNotAccepted")],
        )
    )


def _finishing(made: Dashboard, runbooks: Runbooks) -> None:
    deferred = all_shared("messaging_deferred_messages", "durable, state", 'state!="dead"')
    made.with_panel(
        lines(
            "What waits",
            "In streams, in outboxes, deferred for another attempt",
            "short",
            (all_shared("messaging_consumer_actionable_lag", "durable"), "lag"),
            (all_shared("messaging_outbox_pending_messages", "job"), "outboxes"),
            (or_zero(deferred), "deferred"),
            (shared("orders_open", ""), "open orders"),
            width=WHOLE,
            height=TALL,
            links=[runbooks.link("ConsumerLagging"), runbooks.link("OutboxStalled")],
        )
    ).with_panel(
        lines(
            "From POST to the order's end",
            "p99 of those that ended, and the oldest that has not",
            "s",
            (quantile(0.99, "order_end_seconds"), "p99"),
            (shared("orders_open_oldest_age_seconds", ""), "oldest open"),
            width=WHOLE,
            height=TALL,
            links=[runbooks.link("OrdersEndLate")],
        )
    )


def _starts(name: str, color: str, expression: str) -> AnnotationQuery:
    return (
        _StartsQuery()
        .name(name)
        .datasource(PROMETHEUS)
        .enable(True)
        .icon_color(color)
        .expr(expression)
    )
