"""Sums samples by layer: a sample belongs to the innermost frame whose file is in one.

So what the standard library does is counted for the layer that called it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tests.bench.profile.stacks import Frame, Stack

LAYERS: tuple[tuple[str, str], ...] = (
    ("tallystick/_broker/", "tallystick: broker"),
    ("tallystick/_delivery/", "tallystick: delivery"),
    ("tallystick/_deferred/", "tallystick: deferred"),
    ("tallystick/_database/", "tallystick: database"),
    ("tallystick/_outbox/", "tallystick: outbox"),
    ("tallystick/_messages/", "tallystick: messages"),
    ("tallystick/_telemetry/", "tallystick: telemetry"),
    ("tallystick/_http/", "tallystick: HTTP"),
    ("tallystick/_account/", "tallystick: account"),
    ("tallystick/", "tallystick: other"),
    ("orders/", "handlers"),
    ("payments/", "handlers"),
    ("shipping/", "handlers"),
    ("sandbox/", "sandbox"),
    ("ours_reading.py", "handlers"),
    ("nats/", "nats-py"),
    ("asyncpg/", "asyncpg"),
    ("fastapi/", "FastAPI, Starlette"),
    ("starlette/", "FastAPI, Starlette"),
    ("pydantic/", "pydantic"),
    ("uvicorn/", "uvicorn"),
    ("aiohttp/", "aiohttp"),
    ("opentelemetry/", "OpenTelemetry"),
    ("prometheus_client/", "prometheus_client"),
    ("structlog/", "structlog"),
)
LOOP = "event loop"
"""What no layer called: the loop itself, with its reads and writes."""
RUNNER = "asyncio/runners.py"
"""What is outside of it only started the loop."""


def layer_of(frames: Sequence[Frame]) -> str:
    """Return the layer of the innermost frame that is in one and runs inside the event loop."""
    for frame in reversed(frames):
        if frame.file == RUNNER:
            break
        for start, layer in LAYERS:
            if frame.file.startswith(start):
                return layer
    return LOOP


def shares(stacks: Iterable[Stack]) -> dict[str, float]:
    """Return each layer's share of the samples, the largest first; empty without samples."""
    counts: Counter[str] = Counter()
    for stack in stacks:
        counts[layer_of(stack.frames)] += stack.count
    total = counts.total()
    return {layer: count / total for layer, count in counts.most_common()}


def budget(of: dict[str, float], cpu_us: float) -> str:
    """Return a table of the layers: their share, and their part of so many microseconds."""
    lines = [f"{'layer':<24}{'share':>8}{'us':>10}"]
    lines += [f"{name:<24}{share:>8.1%}{share * cpu_us:>10.1f}" for name, share in of.items()]
    return "\n".join([*lines, f"{'all':<24}{sum(of.values()):>8.1%}{cpu_us:>10.1f}"])
