"""The drill arms every failpoint that the library has."""

from tallystick._failpoints import POINTS  # inside: where a process is killed
from tests.drill.failpoints import ARMS


def test_every_failpoint_is_gone_through() -> None:
    assert {place for places in ARMS.values() for place in places} == POINTS
