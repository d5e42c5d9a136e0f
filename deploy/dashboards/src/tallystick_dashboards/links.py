"""Links of a panel: to the traces behind it, and to a runbook."""

import json
from urllib.parse import quote

from grafana_foundation_sdk.builders.dashboard import DashboardLink

TRACES = "${traces}"
"""The datasource that a person chooses at the top of a dashboard."""


def link(title: str, url: str) -> DashboardLink:
    """Return a link that opens in a new tab."""
    return DashboardLink(title).url(url).target_blank(True)


def traces(title: str, service: str, **wanted: str) -> DashboardLink:
    """Return a link to traces of a service in the shown time; `wanted` is a search of Jaeger."""
    return link(title, _explore({"queryType": "search", "service": service, **wanted}))


def _explore(query: dict[str, str]) -> str:
    pane = {
        "datasource": TRACES,
        "queries": [{"refId": "A", "datasource": {"type": "jaeger", "uid": TRACES}, **query}],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    # Grafana replaces ${...} only where it is not percent-encoded.
    text = quote(json.dumps({"traces": pane}, separators=(",", ":")), safe="${}[]:,_")
    return f"/explore?schemaVersion=1&orgId=1&panes={text}"
