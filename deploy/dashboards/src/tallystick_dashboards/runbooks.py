"""The runbooks as a dashboard that panels link to: what each alert means and what to do."""

from pathlib import Path

from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink

from tallystick_dashboards.frame import frame
from tallystick_dashboards.links import link
from tallystick_dashboards.panels import words

NAME = "runbooks"
ROWS_A_LINE = 0.7


class Runbooks:
    """The runbooks of a folder, each named for its alert."""

    def __init__(self, folder: Path) -> None:
        self._texts = {path.stem: path.read_text() for path in sorted(folder.glob("*.md"))}

    def link(self, alert: str) -> DashboardLink:
        """Return a link to the runbook of an alert; raise ValueError without one."""
        place = list(self._texts).index(alert) + 1
        return link(f"Runbook: {alert}", f"/d/tallystick-{NAME}?viewPanel={place}")

    def dashboard(self) -> Dashboard:
        """Return all runbooks, one below the other."""
        made = frame(NAME, "Tallystick / Runbooks", "What each alert means and what to do")
        for alert, markdown in self._texts.items():
            height = 4 + round(ROWS_A_LINE * markdown.count("\n"))
            made.with_panel(words(alert, markdown, height=height))
        return made
