"""*Messaging*: every durable, from its stream to its dead letters."""

from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink, Row

from tallystick_dashboards.frame import choice, frame
from tallystick_dashboards.links import traces
from tallystick_dashboards.panels import bars, lines
from tallystick_dashboards.promql import increase, or_zero, quantile, rate, shared
from tallystick_dashboards.runbooks import Runbooks
from tallystick_dashboards.services import MESSAGING

A_SECOND = "suffix: /s"
BY_STATE = "{{durable}} {{state}}"
BY_OUTCOME = "{{durable}} {{outcome}}"
BY_SOURCE = "{{durable}} of {{source}}"
READER = "durable, source"
KEPT_BY = ("job, table",)
BY_TABLE = "{{job}} {{table}}"
CHOSEN = 'durable=~"$durable"'
HANDLED = "messaging_process_duration_seconds"


def dashboard(runbooks: Runbooks) -> Dashboard:
    """Return the panels by durable: the account, what is read, waits, fails; then what is sent."""
    made = frame("messaging", "Tallystick / Messaging", "Every durable and every outbox")
    made.with_variable(choice("durable", "Durable", f"label_values({HANDLED}_count, durable)"))
    _accounting(made, runbooks)
    _reading(made, runbooks)
    _trying_again(made, runbooks)
    _losing(made, runbooks)
    _giving_up(made, runbooks)
    _sending(made, runbooks)
    _storing(made, runbooks)
    return made


def _accounting(made: Dashboard, runbooks: Runbooks) -> None:
    settled = shared("messaging_account_settled_timestamp_seconds", READER, CHOSEN)
    missing = runbooks.link("MessagesMissing")
    made.with_row(Row("Account")).with_panel(
        lines(
            "Missing",
            "Messages that the broker lost; their source publishes them again: tally account",
            "short",
            (or_zero(shared("messaging_account_missing_messages", READER, CHOSEN)), BY_SOURCE),
            links=[missing],
        )
    ).with_panel(
        lines(
            "Unknown to the source",
            "Messages that a durable received and that their source denies: tally account show",
            "short",
            (or_zero(shared("messaging_account_unknown_messages", READER, CHOSEN)), BY_SOURCE),
            links=[runbooks.link("UnknownToSource")],
        )
    ).with_panel(
        lines(
            "Forgotten by both sides",
            "Messages that a stream holds, at most: a database server was set back: tally account",
            "short",
            (or_zero(shared("messaging_database_set_back_messages", READER, CHOSEN)), BY_SOURCE),
            links=[runbooks.link("DatabaseSetBack")],
        )
    ).with_panel(
        lines(
            "Settled until, how long ago",
            "All that was published before is received, for good; normally a little over a minute",
            "s",
            (f"time() - {settled}", BY_SOURCE),
            links=[runbooks.link("AccountFallsBehind")],
        )
    ).with_panel(
        bars(
            "Republished for the account",
            "Lost messages that a durable's source published again",
            "short",
            (increase("messaging_account_republished_messages_total", READER, CHOSEN), BY_SOURCE),
            links=[missing],
        )
    )


def _reading(made: Dashboard, runbooks: Runbooks) -> None:
    lagging = [runbooks.link("ConsumerLagging"), runbooks.link("DurableNotReady")]
    made.with_row(Row("Read")).with_panel(
        lines(
            "Handled",
            "Attempts that ended, well or not; including effects",
            A_SECOND,
            (rate(f"{HANDLED}_count", "durable", CHOSEN), "{{durable}}"),
        )
    ).with_panel(
        lines(
            "Lag",
            "Messages that a durable has neither received nor settled",
            "short",
            (shared("messaging_consumer_actionable_lag", "durable", CHOSEN), "{{durable}}"),
            links=lagging,
        )
    ).with_panel(
        lines(
            "Time in the handler (p95)",
            "From its start to its commit or its error",
            "s",
            (quantile(0.95, HANDLED, "durable", CHOSEN), "{{durable}}"),
            links=[*lagging, *map(_slow, MESSAGING)],
        )
    ).with_panel(
        lines(
            "Redelivered and duplicates",
            "Harmless: the inbox drops them; many of them point to trouble with broker or replicas",
            A_SECOND,
            (rate("messaging_redelivered_messages_total", where=CHOSEN), "redelivered"),
            (rate("messaging_inbox_duplicates_total", where=CHOSEN), "duplicates"),
        )
    )


def _trying_again(made: Dashboard, runbooks: Runbooks) -> None:
    failed = f'outcome!="done", {CHOSEN}'
    waiting = f'state!="dead", state!="discarded", {CHOSEN}'
    made.with_row(Row("Deferred, tried again, given up")).with_panel(
        lines(
            "Deferred",
            "Messages that wait in the services' databases, by state",
            "short",
            (or_zero(shared("messaging_deferred_messages", "durable, state", waiting)), BY_STATE),
            links=[runbooks.link("CircuitOpen"), runbooks.link("PeriodicWorkFailing")],
        )
    ).with_panel(
        lines(
            "Attempts that failed",
            "By how they ended; they are tried again",
            A_SECOND,
            (or_zero(rate(f"{HANDLED}_count", "durable, outcome", failed)), BY_OUTCOME),
            links=[traces("Failed attempts", "payments", tags='error="true"')],
        )
    )


def _losing(made: Dashboard, runbooks: Runbooks) -> None:
    made.with_panel(
        bars(
            "Expired leases",
            "Leases of replicas that are gone; their messages are due again",
            "short",
            (increase("messaging_expired_leases_total", "durable", CHOSEN), "{{durable}}"),
            links=[runbooks.link("ReplicasRestarting")],
        )
    ).with_panel(
        lines(
            "Circuits",
            "1 while an effect's outside API does not answer",
            "bool_yes_no",
            (shared("messaging_circuit_open", "durable", CHOSEN), "{{durable}}"),
            links=[runbooks.link("CircuitOpen")],
        )
    )


def _giving_up(made: Dashboard, runbooks: Runbooks) -> None:
    dead = runbooks.link("DeadLettersArriving")
    waiting = f'state="dead", {CHOSEN}'
    made.with_panel(
        bars(
            "Dead letters, as they come",
            "By reason: tally dlq list",
            "short",
            (increase("messaging_dead_lettered_messages_total", "reason", CHOSEN), "{{reason}}"),
            links=[dead],
        )
    ).with_panel(
        lines(
            "Dead letters that wait",
            "Until somebody replays or discards them: tally dlq replay",
            "short",
            (or_zero(shared("messaging_deferred_messages", "durable", waiting)), "{{durable}}"),
            links=[dead],
        )
    )


def _sending(made: Dashboard, runbooks: Runbooks) -> None:
    stalled = runbooks.link("OutboxStalled")
    made.with_row(Row("Sent")).with_panel(
        lines(
            "Sent",
            "Messages that the broker confirmed",
            A_SECOND,
            (rate("messaging_client_sent_messages_total", "template"), "{{template}}"),
        )
    ).with_panel(
        lines(
            "Oldest message in an outbox",
            "Committed and not yet confirmed by the broker; normally below 2 s",
            "s",
            (shared("messaging_outbox_oldest_age_seconds", "job"), "{{job}}"),
            links=[stalled],
        )
    ).with_panel(
        lines(
            "Messages in an outbox",
            "Committed and not yet confirmed by the broker",
            "short",
            (shared("messaging_outbox_pending_messages", "job"), "{{job}}"),
            links=[stalled],
        )
    ).with_panel(
        lines(
            "Failed and republished",
            "Publications that failed (the sweep sends them again), and rows that were republished",
            A_SECOND,
            (or_zero(rate("messaging_client_send_failures_total", "error")), "failed {{error}}"),
            (
                or_zero(rate("messaging_outbox_republished_messages_total", "template")),
                "republished {{template}}",
            ),
            links=[stalled],
        )
    )


def _storing(made: Dashboard, runbooks: Runbooks) -> None:
    made.with_panel(
        lines(
            "Refused by the broker for good",
            "Messages over a limit of their stream: nobody receives them",
            "short",
            (or_zero(shared("messaging_outbox_refused_messages", "job")), "{{job}}"),
            links=[runbooks.link("OutboxRefused")],
        )
    ).with_panel(
        lines(
            "Partitions end in",
            "Inbox and outbox have tables for so long; a service makes them seven days ahead",
            "s",
            (
                f"{shared('messaging_partitions_end_timestamp_seconds', 'job, table')} - time()",
                "{{job}} {{table}}",
            ),
            links=[runbooks.link("PartitionsRunOut")],
        )
    ).with_panel(
        lines(
            "Kept since, how long ago",
            "Inbox and outbox have messages since then; the oldest day goes first",
            "s",
            (f"time() - {shared('messaging_kept_since_timestamp_seconds', *KEPT_BY)}", BY_TABLE),
        )
    ).with_panel(
        lines(
            "Bytes of inbox and outbox",
            "What their partitions take, indexes included, and <SERVICE>_KEEP_MAX_BYTES",
            "bytes",
            (shared("messaging_kept_bytes", *KEPT_BY), BY_TABLE),
            (f"{shared('messaging_kept_limit_bytes', 'job')} > 0", "{{job}} limit of both"),
            links=[runbooks.link("TablesTooLarge")],
        )
    )


def _slow(service: str) -> DashboardLink:
    return traces(f"Slow in {service}", service, minDuration="250ms")
