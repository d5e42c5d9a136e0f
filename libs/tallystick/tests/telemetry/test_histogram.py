import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tallystick._telemetry import histogram
from tallystick._telemetry.histogram import Histogram

BOUNDS = (0.001, 0.5, 1, 10)


@pytest.mark.parametrize("labelnames", [["durable", "outcome"], []])
def test_it_is_exposed_as_prometheus_clients_own(
    monkeypatch: pytest.MonkeyPatch, labelnames: list[str]
) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    monkeypatch.setattr(histogram, "REGISTRY", ours)
    mine = Histogram("work_seconds", "How long it took", labelnames, BOUNDS)
    other = prometheus_client.Histogram(
        "work_seconds", "How long it took", labelnames, buckets=BOUNDS, registry=theirs
    )
    if labelnames:
        assert generate_latest(ours) == generate_latest(theirs)
    values = ["a"] * len(labelnames)
    for seconds in (0, 0.001, 0.0011, 0.7, 10, 11, 1e9):
        mine.labels(*values).observe(seconds)
        (other.labels(*values) if labelnames else other).observe(seconds)
    assert generate_latest(ours) == generate_latest(theirs)
