"""Where a panel leads: to the traces behind it, and to what to do about it."""

import json
from urllib.parse import quote

from grafana_foundation_sdk.builders.dashboard import DashboardLink

TRACES = "${traces}"
"""The datasource that a person chooses at the top of a dashboard."""


def link(title: str, url: str) -> DashboardLink:
    """A link that opens beside the dashboard."""
    return DashboardLink(title).url(url).target_blank(True)


def traces(title: str, service: str, **wanted: str) -> DashboardLink:
    """Traces of a service in the time that is shown, by Jaeger's words for a search."""
    return link(title, _explore({"queryType": "search", "service": service, **wanted}))


def _explore(query: dict[str, str]) -> str:
    pane = {
        "datasource": TRACES,
        "queries": [{"refId": "A", "datasource": {"type": "jaeger", "uid": TRACES}, **query}],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    # Grafana puts in what stands between ${ and } only where it is not quoted.
    text = quote(json.dumps({"traces": pane}, separators=(",", ":")), safe="${}[]:,_")
    return f"/explore?schemaVersion=1&orgId=1&panes={text}"
