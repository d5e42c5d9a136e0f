"""The common part of all dashboards: variables, time range, and links to each other."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
)

from tallystick_dashboards.panels import PROMETHEUS

TAG = "tallystick"


def frame(name: str, title: str, about: str, links: Sequence[DashboardLink] = ()) -> Dashboard:
    """Return a dashboard without panels."""
    others = DashboardLink("Tallystick").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    return (
        Dashboard(title)
        .uid(f"tallystick-{name}")
        .description(about)
        .tags([TAG])
        .readonly()
        .refresh("10s")
        .time("now-30m", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .links([others.as_dropdown(True).include_vars(True).keep_time(True), *links])
        .variables(
            [
                DatasourceVariable("datasource").label("Metrics").type("prometheus"),
                DatasourceVariable("traces").label("Traces").type("jaeger"),
            ]
        )
    )


def choice(name: str, label: str, query: str) -> QueryVariable:
    """Return a variable that has all values of a label; any number of them can be chosen."""
    return (
        QueryVariable(name)
        .label(label)
        .datasource(PROMETHEUS)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(text="All", value="$__all"))
    )
