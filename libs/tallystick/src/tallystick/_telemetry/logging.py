"""One format for all log lines, ours, uvicorn's and Alembic's: JSON, or text on a terminal."""

import logging
import sys
from typing import TextIO

import structlog
from structlog.contextvars import bound_contextvars as bind
from structlog.contextvars import merge_contextvars
from structlog.typing import EventDict, Processor, WrappedLogger

from tallystick._settings import Settings
from tallystick._telemetry import traceparent, tracing

__all__ = ["bind", "configure", "configure_for"]


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Write this process's lines to `stream` or stderr, each with its service and replica."""
    identity = {"service": settings.service(), "replica": settings.replica}
    configure_for(identity, settings.log_format, settings.log_level, stream)


def configure_for(
    identity: dict[str, str],
    log_format: str = "auto",
    level: str = "info",
    stream: TextIO | None = None,
) -> None:
    """Write this process's lines to `stream` or stderr; in JSON each has the keys of `identity`."""
    stream = stream or sys.stderr
    as_text = log_format == "text" or (log_format == "auto" and stream.isatty())
    shared: list[Processor] = [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_message,
        _add_trace,
        structlog.processors.StackInfoRenderer(),
        *(_for_text(stream) if as_text else _for_json(identity)),
    ]
    severity = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(severity),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    _take_over(shared, severity, stream)


def _for_json(identity: dict[str, str]) -> list[Processor]:
    def identify(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
        return {**identity, **line}

    return [
        identify,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]


def _for_text(stream: TextIO) -> list[Processor]:
    return [
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    ]


def _add_message(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    message = tracing.message()
    if message is not None:
        line.setdefault("durable", message[0])
        line.setdefault("message_id", message[1])
    return line


def _add_trace(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    context = tracing.current()
    if context is not None:
        line["trace_id"] = traceparent.trace_id(context)
        line["span_id"] = traceparent.span_id(context)
    return line


def _take_over(processors: list[Processor], severity: int, stream: TextIO) -> None:
    """Send the standard library's lines through the same processors."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *processors],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(severity, logging.INFO))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "alembic"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name, least in _LEAST_LEVELS.items():
        logging.getLogger(name).setLevel(least)


_LEAST_LEVELS = {
    "alembic": logging.WARNING,  # we log each script as it is applied
    "nats": logging.CRITICAL,  # our callbacks log what happens to the connection
    "opentelemetry": logging.CRITICAL,  # we count and log the spans that are lost
    "uvicorn": logging.WARNING,  # we log its start and stop
}
