from prometheus_client import REGISTRY

from tallystick import _metrics


def test_a_bound_child_is_made_once() -> None:
    one = _metrics.child(_metrics.CONSUMED, "test-metrics")
    assert _metrics.child(_metrics.CONSUMED, "test-metrics") is one


def test_an_event_is_counted_by_its_own_name() -> None:
    _metrics.event_counter("parcels.lost-again").inc()
    _metrics.event_counter("parcels.lost-again").inc()
    assert REGISTRY.get_sample_value("parcels_lost_again_total") == 2
