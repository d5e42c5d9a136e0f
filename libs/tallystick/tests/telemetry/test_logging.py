import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from tallystick._telemetry import logging as service_logging
from tallystick._telemetry import tracing


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.fixture
def stream() -> io.StringIO:
    written = io.StringIO()
    identity = {"service": "payments", "replica": "payments-1"}
    service_logging.configure_for(identity, "auto", "info", written)
    return written


def test_a_line_is_json_and_says_who_wrote_it(stream: io.StringIO) -> None:
    structlog.get_logger().info("captured", amount=100)
    (line,) = lines(stream)
    assert (
        line.items()
        >= {
            "service": "payments",
            "replica": "payments-1",
            "event": "captured",
            "level": "info",
            "amount": 100,
        }.items()
    )


def test_a_line_carries_the_trace_and_what_was_bound(stream: io.StringIO) -> None:
    with tracing.span("work") as span, service_logging.bind(message_id="m-1"):
        structlog.get_logger().info("inside")
    structlog.get_logger().info("outside")
    inside, outside = lines(stream)
    assert inside["message_id"] == "m-1"
    assert inside["trace_id"] == span.traceparent[3:35]
    assert "trace_id" not in outside
    assert "message_id" not in outside


@pytest.mark.parametrize("name", ["uvicorn.error", "alembic.runtime", "asyncio"])
def test_lines_of_the_standard_library_look_the_same(stream: io.StringIO, name: str) -> None:
    logging.getLogger(name).warning("it is %s", "late")
    (line,) = lines(stream)
    assert line.items() >= {"service": "payments", "event": "it is late", "logger": name}.items()


def test_an_error_brings_its_traceback_but_no_values(stream: io.StringIO) -> None:
    password = "sword" + "fish"
    try:
        int(password[:2])
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = lines(stream)
    assert "int(password[:2])" in str(line["exception"])
    assert "swordfish" not in str(line)


def test_what_is_less_severe_than_asked_is_not_written() -> None:
    stream = io.StringIO()
    service_logging.configure_for({}, "json", "warning", stream)
    structlog.get_logger().info("no")
    logging.getLogger("x").info("no")
    assert stream.getvalue() == ""


def test_text_is_readable() -> None:
    stream = io.StringIO()
    service_logging.configure_for({}, "text", "info", stream)
    structlog.get_logger().info("captured", amount=100)
    assert "captured" in stream.getvalue()
    assert "amount=100" in stream.getvalue()
