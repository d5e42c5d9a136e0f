"""Which faults strike, when and where: decided by the seed alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

REPLICAS: Final = (
    *("orders", "orders-2", "payments", "payments-2"),
    *("shipping", "shipping-2", "sandbox", "sandbox-2"),
    *("newsletter", "newsletter-2"),
)
READERS: Final = tuple(name for name in REPLICAS if not name.startswith("sandbox"))
STREAMS: Final = ("ORDERS", "PAYMENTS", "SHIPPING", "SHIPPING_JOBS")
DURABLES: Final = {
    "orders-payments": "PAYMENTS",
    "orders-shipping": "SHIPPING",
    "payments-open": "ORDERS",
    "payments-stop": "SHIPPING",
    "payments-totals": "PAYMENTS",
    "shipping-orders": "ORDERS",
    "shipping-payments": "PAYMENTS",
    "shipping-labels": "SHIPPING_JOBS",
    "newsletter-orders": "ORDERS",
}
"""The durables and the streams that they read."""
LINKS: Final = (
    *(f"{name}>{server}" for name in READERS for server in ("nats", "postgres")),
    *(f"{name}>sandbox" for name in READERS if not name.startswith("orders")),
    "customers>orders",
)
DATABASES: Final = ("orders", "payments", "shipping", "newsletter")
HELD: Final = DATABASES
"""The services of which all replicas are kept from running."""
NARROWED: Final = (
    *("orders-payments captured", "orders-payments declined", "payments-totals captured"),
    *("orders-shipping dispatched", "shipping-orders placed"),
)
"""Durables of several types, and the one that its filter leaves out for a while."""
OUTSIDERS: Final = ("provider", "carrier", "mail")
WEBHOOKS: Final = ("webhooks",)
NOBODY: Final = ("",)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: whom it can strike, for how many seconds, and how often it is drawn.

    `loses`: the broker forgets what it had confirmed, or passes it by: it must be said again.
    `unseen`: whoever asks meanwhile must not notice it, so it excuses nothing.
    """

    targets: Sequence[str]
    lasts: tuple[float, float] = (0, 0)
    weight: float = 1
    loses: bool = False
    most: int = 1_000_000
    unseen: bool = False


KINDS: Final[dict[str, Kind]] = {
    "service killed": Kind(REPLICAS, weight=4),
    "service terminated": Kind(REPLICAS, weight=2),
    "service frozen": Kind(READERS, (2.5, 4), weight=2),
    "service held": Kind(HELD, (1, 3)),
    "broker killed": Kind(("nats",), weight=1.5),
    "broker terminated": Kind(("nats",)),
    "broker frozen": Kind(("nats",), (1, 3)),
    "database killed": Kind(("postgres",)),
    "database terminated": Kind(("postgres",), weight=0.7),
    "database frozen": Kind(("postgres",), (1, 2.5), weight=0.7),
    "database read-only": Kind(DATABASES, (1, 3)),
    "database refuses logins": Kind(DATABASES, (1, 3)),
    "database locked": Kind(DATABASES, (2, 4)),
    "database set back": Kind(DATABASES, (3, 6), weight=0.3, most=2),
    "server set back": Kind(("postgres",), (3, 6), weight=0.1, most=1),
    "transaction hangs": Kind(("orders",), (66, 70), weight=0.2, most=1),
    "pool busy": Kind(READERS, (4, 6), unseen=True),
    "clock ahead": Kind(REPLICAS, (3, 6), unseen=True),
    "clock behind": Kind(REPLICAS, (3, 6), unseen=True),
    "connection slow": Kind(LINKS, (1, 4), weight=2),
    "connection dropped": Kind(LINKS, weight=3),
    "connection half-open": Kind(LINKS, (1, 3), weight=2),
    "outsider slow": Kind(OUTSIDERS, (1, 3), weight=2),
    "outsider timeouts": Kind(OUTSIDERS, (1, 3), weight=2),
    "outsider late": Kind(OUTSIDERS, (1, 3)),
    "outsider resets after the effect": Kind(OUTSIDERS, (1, 3), weight=2),
    "outsider 5xx storm": Kind(OUTSIDERS, (1, 3), weight=2),
    "outsider garbled": Kind(OUTSIDERS, (1, 3)),
    "webhook-duplicate": Kind(WEBHOOKS, (1, 3)),
    "webhook-late": Kind(WEBHOOKS, (1, 3)),
    "messages duplicated": Kind(STREAMS[:3], weight=2),
    "messages reordered": Kind(STREAMS[:3]),
    "consumer deleted": Kind(tuple(DURABLES)),
    "stream purged": Kind(STREAMS, loses=True),
    "stream full": Kind(STREAMS, (2, 3)),
    "stream full by count": Kind(STREAMS, (2, 3)),
    "filter narrowed": Kind(NARROWED, (3, 5), weight=0.3, loses=True, most=3),
    "message aged out": Kind(STREAMS[:3], (2, 4), weight=0.5, loses=True),
    "broker wiped": Kind(("nats",), weight=0.3, loses=True, most=3),
    "reader held, broker wiped": Kind(HELD, (2, 4), weight=0.2, most=1),  # it is wiped as above
    "poison: exception": Kind(NOBODY, weight=0.3, most=2),
    "poison: slow statement": Kind(NOBODY, weight=0.2, most=1),
    "poison: exit": Kind(NOBODY, weight=0.3, most=2),
    "poison: memory": Kind(NOBODY, weight=0.2, most=1),
    "poison: endless loop": Kind(NOBODY, weight=0.2, most=1),
    "poison: undecodable": Kind(NOBODY, weight=0.3, most=3),
    "poison: unknown version": Kind(NOBODY, weight=0.3, most=3),
}
FIRST: Final = 1.0
"""Seconds of peace at the beginning."""
PACE: Final = 1.35
"""Seconds from one fault to the next, on average."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """What strikes `at` seconds after the first order, for `duration` seconds, or once: 0."""

    at: float
    kind: str
    target: str
    duration: float


def span(faults: int) -> float:
    """The seconds in which so many faults strike, at least."""
    return 2 * FIRST + PACE * max(faults, 6)


def plan(seed: int, faults: int, end: float, kinds: Iterable[str] = KINDS) -> list[Fault]:
    """So many faults in so many seconds, by their times; each kind once before any comes twice."""
    chance = Random(f"drill:{seed}")
    names = _deal(chance, list(kinds), faults)
    times = sorted(chance.uniform(FIRST, end - FIRST) for _ in names)
    return [_fault(chance, at, name) for at, name in zip(times, names, strict=True)]


def given(seed: int, faults: Iterable[tuple[str, str, float]], end: float) -> list[Fault]:
    """These faults (kind, target, duration) at times in the second half of so many seconds."""
    chance = Random(f"drill:{seed}")
    struck = [
        Fault(round(chance.uniform(end / 2, end - FIRST), 2), kind, target, duration)
        for kind, target, duration in faults
    ]
    return sorted(struck)


def _deal(chance: Random, kinds: list[str], faults: int) -> list[str]:
    once = chance.sample(kinds, min(len(kinds), faults))
    counts = dict.fromkeys(once, 1)
    while sum(counts.values()) < faults:
        left = [name for name in kinds if counts[name] < KINDS[name].most]
        (name,) = chance.choices(left, [KINDS[name].weight for name in left])
        counts[name] += 1
    names = [name for name, count in counts.items() for _ in range(count)]
    chance.shuffle(names)
    return names


def _fault(chance: Random, at: float, name: str) -> Fault:
    kind = KINDS[name]
    duration = round(chance.uniform(*kind.lasts), 2)
    return Fault(round(at, 2), name, chance.choice(kind.targets), duration)
