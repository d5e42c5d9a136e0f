"""The whole suite shares one NATS and one PostgreSQL."""

pytest_plugins = ["tallystick.testing.pytest_plugin"]
