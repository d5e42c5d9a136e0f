from tallystick import _metrics


def test_a_bound_child_is_made_once() -> None:
    one = _metrics.child(_metrics.CONSUMED, "test-metrics")
    assert _metrics.child(_metrics.CONSUMED, "test-metrics") is one
