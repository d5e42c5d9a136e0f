"""*Orders*: what customers notice."""

from grafana_foundation_sdk.builders.dashboard import Dashboard, TextBoxVariable

from tallystick_dashboards import money
from tallystick_dashboards.frame import frame
from tallystick_dashboards.links import link, traces
from tallystick_dashboards.panels import bars, lines, number
from tallystick_dashboards.promql import or_zero, quantile, quantiles, rate, shared
from tallystick_dashboards.runbooks import Runbooks

PLACING = 'method="POST", route="/orders"'
A_SECOND = "suffix: /s"
HTTP = "http_server_request_duration_seconds"


def dashboard(runbooks: Runbooks) -> Dashboard:
    """Return panels of orders placed and ended, their time to the end, and the money."""
    trace = traces(
        "Trace of the order",
        "orders",
        tags='messaging.message.conversation_id="${order:raw}"',
    )
    made = frame("orders", "Tallystick / Orders", "What customers notice", [trace])
    made.with_variable(TextBoxVariable("order").label("Order id"))
    _figures(made, runbooks)
    _flow(made, runbooks)
    _http(made, runbooks)
    return made


def _figures(made: Dashboard, runbooks: Runbooks) -> None:
    made.with_panel(
        number("Placed", "Orders accepted now", A_SECOND, rate("orders_placed_total"))
    ).with_panel(
        number("Open", "Orders that have not ended", "short", shared("orders_open", ""))
    ).with_panel(
        number(
            "Accepted, 1 h",
            "Requests to place an order that were not answered 5xx; 99.9 % are promised",
            "percentunit",
            "1 - orders:not_accepted:ratio_rate1h",
            red_below=0.999,
            links=[runbooks.link("OrdersNotAccepted")],
        )
    ).with_panel(
        number(
            "Ended within 30 s, 1 h",
            "Orders placed that ended within 30 s; 99 % are promised",
            "percentunit",
            "1 - orders:ended_late:ratio_rate1h",
            red_below=0.99,
            links=[runbooks.link("OrdersEndLate")],
        )
    ).with_panel(
        number(
            "Wait for a person",
            "Parked orders, payments and shipments: tally parked list",
            "short",
            "max(orders_parked) + max(payments_parked) + max(shipments_parked)",
            red_from=1,
            links=[runbooks.link("OrdersParked")],
        )
    ).with_panel(
        number(
            "Alerts that fire",
            "See Alerting for which; each has a runbook",
            "short",
            or_zero('count(ALERTS{alertstate="firing"})'),
            red_from=1,
            links=[link("Alerts", "/alerting/list")],
        )
    )


def _flow(made: Dashboard, runbooks: Runbooks) -> None:
    late = runbooks.link("OrdersEndLate")
    slow = traces("Slow orders", "orders", operation="POST /orders", minDuration="1s")
    made.with_panel(
        lines(
            "Placed and ended",
            "Orders that come in, and their ends; without trouble both are equal",
            A_SECOND,
            (rate("orders_placed_total"), "placed"),
            (rate("orders_ended_total", "outcome"), "{{outcome}}"),
            links=[traces("Orders", "orders", operation="POST /orders"), late],
        )
    ).with_panel(
        lines(
            "From POST to the order's end",
            "Over all outcomes; the promise is 30 s",
            "s",
            *quantiles("order_end_seconds"),
            links=[slow, late],
        )
    ).with_panel(
        lines(
            "To the end, by outcome (p95)",
            "A cancelled order waits for its refund",
            "s",
            (quantile(0.95, "order_end_seconds", "outcome"), "{{outcome}}"),
            links=[slow],
        )
    ).with_panel(
        lines(
            "Money in an hour",
            "At the present rate, in whole units of its currency",
            "short",
            (money.an_hour("orders_placed_minor_units_total"), "placed {{currency}}"),
            (
                money.an_hour("payments_moved_minor_units_total", 'purpose="capture"'),
                "captured {{currency}}",
            ),
            (
                money.an_hour("payments_moved_minor_units_total", 'purpose="refund"'),
                "refunded {{currency}}",
            ),
        )
    )


def _http(made: Dashboard, runbooks: Runbooks) -> None:
    made.with_panel(
        bars(
            "Answers to POST /orders",
            "5xx break the promise; 4xx are the customers'",
            A_SECOND,
            (rate(f"{HTTP}_count", "status", PLACING), "{{status}}"),
            links=[runbooks.link("OrdersNotAccepted")],
        )
    ).with_panel(
        lines(
            "Time of POST /orders",
            "Until 202: the order and its event are committed",
            "s",
            *quantiles(HTTP, PLACING),
            links=[runbooks.link("OrdersNotAccepted")],
        )
    ).with_panel(
        lines(
            "Oldest order that has not ended",
            "Including parked ones",
            "s",
            (shared("orders_open_oldest_age_seconds", ""), "oldest"),
            links=[runbooks.link("OrdersEndLate"), runbooks.link("OrdersParked")],
        )
    ).with_panel(
        lines(
            "Wait for a person",
            "Parked, by what is parked: tally parked list",
            "short",
            (shared("orders_parked", ""), "orders"),
            (shared("payments_parked", ""), "payments"),
            (shared("shipments_parked", ""), "shipments"),
            links=[runbooks.link("OrdersParked")],
        )
    )
