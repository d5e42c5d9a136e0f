"""The whole suite shares one NATS and one PostgreSQL."""

import signal

import pytest

# A shell that runs us in the background has us ignore SIGINT, and whoever we start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["tallystick.testing.pytest_plugin"]
LONG = "drill"
"""These begin first, so that no worker is left alone with them in the end."""
ASKED_FOR = ("wheels", "siege", "helm", "cluster", "promtool", "docs", "peers")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what runs only if it is asked for, `-m wheels`; put what takes long first."""
    asked = str(config.option.markexpr)
    left = [name for name in ASKED_FOR if name not in asked]
    out = [item for item in items if any(item.get_closest_marker(name) for name in left)]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]
    items.sort(key=lambda item: item.get_closest_marker(LONG) is None)
