"""Make the text of every dashboard's file."""

import json
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from tallystick_dashboards import broker, messaging, orders, recovery
from tallystick_dashboards.runbooks import Runbooks


def files(folder: Path) -> dict[str, str]:
    """Return the dashboards by file name; `folder` has the runbooks, one for each alert."""
    runbooks = Runbooks(folder)
    made = {
        "orders": orders.dashboard(runbooks),
        "messaging": messaging.dashboard(runbooks),
        "recovery": recovery.dashboard(runbooks),
        "broker-and-database": broker.dashboard(runbooks),
        "runbooks": runbooks.dashboard(),
    }
    return {f"{name}.json": _text(dashboard) for name, dashboard in made.items()}


def _text(dashboard: Dashboard) -> str:
    document: dict[str, Any] = json.loads(json.dumps(dashboard.build(), cls=JSONEncoder))
    for place, panel in enumerate(document["panels"], 1):
        panel["id"] = place
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
