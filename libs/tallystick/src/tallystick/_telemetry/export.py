"""Decide at the start of a process where its spans are sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tallystick._addresses import address_of
from tallystick._settings import Settings
from tallystick._telemetry import tracing

if TYPE_CHECKING:  # OpenTelemetry's SDK costs 0.2 s and 10 MB: only a process that records loads it
    from opentelemetry.sdk.trace.export import SpanExporter

    from tallystick._telemetry.recorder import Recorder

_recorder: Recorder | None = None


def configure(settings: Settings, exporter: SpanExporter | None = None) -> None:
    """Record spans if an OTLP endpoint is set, or into `exporter`, each as it ends."""
    global _recorder  # noqa: PLW0603  # one per process, as the metrics' registry
    tracing.record_to(_recorder, settings.trace_ratio)
    if exporter is None and settings.otlp_endpoint is None:
        return
    from tallystick._telemetry.recorder import Recorder, otlp  # noqa: PLC0415

    endpoint = settings.otlp_endpoint or ""
    _recorder = Recorder(
        settings.service(),
        settings.replica,
        exporter or otlp(endpoint),
        batch=exporter is None,
        address=address_of(endpoint),
    )
    tracing.record_to(_recorder, settings.trace_ratio)


async def shutdown() -> None:
    """Stop recording spans, and send those that are left within two seconds."""
    global _recorder
    recorder, _recorder = _recorder, None
    tracing.record_to(None, 0.0)
    if recorder is not None:
        await asyncio.to_thread(recorder.close)
