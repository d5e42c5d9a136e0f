"""The kinds of panels that all dashboards use."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import common, dashboard, stat, text, timeseries
from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.text import TextMode

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${datasource}")
WHOLE, HALF, SIXTH = 24, 12, 4
"""Widths in columns, of which a dashboard has 24."""

Query = tuple[str, str]
"""An expression and the legend of its series."""


def lines(
    title: str,
    about: str,
    unit: str,
    *queries: Query,
    links: Sequence[DashboardLink] = (),
    width: int = HALF,
    height: int = 8,
) -> timeseries.Panel:
    """Return a panel of lines over time, from zero up."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .datasource(PROMETHEUS)
        .unit(unit)
        .min(0)
        .span(width)
        .height(height)
        .line_width(1)
        .fill_opacity(8)
        .show_points(VisibilityMode.NEVER)
        .links(list(links))
        .tooltip(
            common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
        )
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
    )
    for ref, (expression, legend) in zip("ABCDEFGH", queries, strict=False):
        panel.with_target(Dataquery().ref_id(ref).expr(expression).range().legend_format(legend))
    return panel


def bars(title: str, about: str, unit: str, *queries: Query, **more: object) -> timeseries.Panel:
    """Return a panel of stacked bars, one for each step of time."""
    return (
        lines(title, about, unit, *queries, **more)  # type: ignore[arg-type]  # as lines takes them
        .draw_style(GraphDrawStyle.BARS)
        .fill_opacity(60)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    )


def number(
    title: str,
    about: str,
    unit: str,
    expression: str,
    *,
    red_from: float | None = None,
    red_below: float | None = None,
    links: Sequence[DashboardLink] = (),
) -> stat.Panel:
    """Return a panel of one present value, red from `red_from` on or below `red_below`."""
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(PROMETHEUS)
        .unit(unit)
        .span(SIXTH)
        .height(4)
        .links(list(links))
        .graph_mode(BigValueGraphMode.NONE)
        .thresholds(_thresholds(red_from, red_below))
        .with_target(Dataquery().ref_id("A").expr(expression).instant().legend_format(title))
    )


def words(title: str, markdown: str, *, height: int) -> text.Panel:
    """Return a panel of text, over the whole width."""
    return (
        text.Panel()
        .title(title)
        .mode(TextMode.MARKDOWN)
        .content(markdown)
        .span(WHOLE)
        .height(height)
    )


def _thresholds(red_from: float | None, red_below: float | None) -> dashboard.ThresholdsConfig:
    steps = [Threshold(value=None, color="green" if red_below is None else "red")]
    if red_from is not None:
        steps.append(Threshold(value=red_from, color="red"))
    if red_below is not None:
        steps.append(Threshold(value=red_below, color="green"))
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
