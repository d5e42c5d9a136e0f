"""*Broker and database*: NATS and PostgreSQL, which the services need."""

from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

from tallystick_dashboards.frame import frame
from tallystick_dashboards.panels import lines
from tallystick_dashboards.promql import average, or_zero, quantile, rate
from tallystick_dashboards.runbooks import Runbooks

A_SECOND = "suffix: /s"
COMMIT = "db_client_commit_duration_seconds"


def dashboard(runbooks: Runbooks) -> Dashboard:
    """Return panels of NATS as its exporter sees it, and of PostgreSQL as the services see it."""
    made = frame("broker", "Tallystick / Broker and database", "NATS and PostgreSQL")
    _broker(made, runbooks)
    _streams(made, runbooks)
    _declared(made, runbooks)
    _database(made, runbooks)
    return made


def _broker(made: Dashboard, runbooks: Runbooks) -> None:
    away = runbooks.link("BrokerUnreachable")
    made.with_row(Row("NATS")).with_panel(
        lines(
            "Services that are connected",
            "Replicas with a connection to the broker, and those without",
            "short",
            ("sum by (job) (messaging_client_connected)", "{{job}}"),
            ("sum(1 - messaging_client_connected)", "not connected"),
            links=[away],
        )
    ).with_panel(
        lines(
            "Messages",
            "Into and out of the broker, including those of its own API",
            A_SECOND,
            (rate("gnatsd_varz_in_msgs"), "in"),
            (rate("gnatsd_varz_out_msgs"), "out"),
        )
    ).with_panel(
        lines(
            "Reconnections",
            "By the services; many at once mean that the broker was away",
            A_SECOND,
            (rate("messaging_client_reconnects_total", "job"), "{{job}}"),
            ("max(gnatsd_varz_slow_consumers)", "slow consumers"),
            links=[away],
        )
    ).with_panel(
        lines(
            "Memory of the broker",
            "By server",
            "bytes",
            ("max by (instance) (gnatsd_varz_mem)", "{{instance}}"),
        )
    )


def _streams(made: Dashboard, runbooks: Runbooks) -> None:
    filling = runbooks.link("BrokerStorageFilling")
    by_stream = "max by (stream_name)"
    made.with_row(Row("Streams")).with_panel(
        lines(
            "How full",
            "Share of a stream's limit; above 80 % messages that every durable has read are purged",
            "percentunit",
            (
                f"{by_stream} (jetstream_stream_total_bytes / (jetstream_stream_limit_bytes > 0))",
                "{{stream_name}}",
            ),
            ("max(jetstream_server_total_message_bytes / jetstream_server_max_storage)", "disk"),
            links=[filling],
        )
    ).with_panel(
        lines(
            "Messages kept",
            "By stream; the stream of jobs has those that are not done",
            "short",
            (f"{by_stream} (jetstream_stream_total_messages)", "{{stream_name}}"),
            links=[filling],
        )
    ).with_panel(
        lines(
            "Unread, as the broker sees it",
            "By durable, also while its service is down",
            "short",
            ("max by (consumer_name) (jetstream_consumer_num_pending)", "{{consumer_name}}"),
            links=[runbooks.link("ConsumerLagging")],
        )
    ).with_panel(
        lines(
            "Delivered and not acknowledged",
            "By durable; it stays flat where a reader is stuck",
            "short",
            ("max by (consumer_name) (jetstream_consumer_num_ack_pending)", "{{consumer_name}}"),
            links=[runbooks.link("ConsumerLagging")],
        )
    )


def _declared(made: Dashboard, runbooks: Runbooks) -> None:
    drifted = runbooks.link("TopologyNotReady")
    made.with_panel(
        lines(
            "As declared",
            "1 if the broker is as a service declares; 0 while the operator corrects it or refuses",
            "bool_yes_no",
            ("min by (topology) (operator_topology_ready)", "{{topology}}"),
            links=[drifted],
        )
    ).with_panel(
        lines(
            "Corrected, purged and lost",
            "By the operator: what had drifted, messages that were read, and those that were lost",
            A_SECOND,
            (or_zero(rate("operator_healed_total", "topology")), "corrected {{topology}}"),
            (or_zero(rate("operator_purged_messages_total", "stream")), "purged {{stream}}"),
            ("max by (topology) (operator_lost_messages)", "lost {{topology}}, until it is known"),
            links=[drifted, *map(runbooks.link, ("BrokerStorageFilling", "DataLost"))],
        )
    )


def _database(made: Dashboard, runbooks: Runbooks) -> None:
    made.with_row(Row("PostgreSQL, as the services see it"))
    _commits(made, runbooks)
    _connections(made, runbooks)


def _commits(made: Dashboard, runbooks: Runbooks) -> None:
    made.with_panel(
        lines(
            "Time of a commit (p95)",
            "From the start of a group's transaction; its fsync is most of it",
            "s",
            (quantile(0.95, COMMIT, "job, group"), "{{job}} {{group}}"),
            links=[runbooks.link("DatabaseUnreachable")],
        )
    ).with_panel(
        lines(
            "Units in a commit",
            "Average; it grows with the load, which makes a commit cheaper per unit",
            "short",
            (average("db_client_commit_units", "job, group"), "{{job}} {{group}}"),
        )
    )


def _connections(made: Dashboard, runbooks: Runbooks) -> None:
    away = runbooks.link("DatabaseUnreachable")
    made.with_panel(
        lines(
            "Connections",
            "Of all replicas of a service",
            "short",
            ("sum by (job, state) (db_client_connection_count)", "{{job}} {{state}}"),
            links=[away],
        )
    ).with_panel(
        lines(
            "Waiting",
            "Units that wait for a transaction",
            "short",
            ("sum by (job, group) (db_client_commit_waiting_units)", "{{job}} {{group}}"),
            links=[away],
        )
    ).with_panel(
        lines(
            "Waiting for a connection (p99)",
            "Of queries outside a group",
            "s",
            (quantile(0.99, "db_client_connection_wait_time_seconds", "job"), "{{job}}"),
            links=[away],
        )
    ).with_panel(
        lines(
            "Conflicts",
            "Units that found a row changed and decided again",
            A_SECOND,
            (or_zero(rate("db_client_conflicts_total", "job")), "{{job}}"),
            links=[away],
        )
    ).with_panel(
        lines(
            "Volumes",
            "How full those of PostgreSQL and Prometheus are",
            "percentunit",
            ("max by (job) (1 - volume_free_bytes / volume_size_bytes)", "{{job}}"),
            links=[runbooks.link("VolumeFilling")],
        )
    )
