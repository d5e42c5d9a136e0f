"""The witness of each kind of fault that some answer must not show."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, Protocol

import aiohttp

from tests.drill.faults import Fault
from tests.drill.witness import Witness

PROBES: Final = ("livez", "readyz")
UNTOUCHED: Final = "sandbox"
"""A replica whose pools are never busy, and whose database nobody alters."""
LINGERS: Final = 3.0
WITHIN: Final = 1.0  # seconds
AT_ONCE: Final = 0.25  # seconds


class Addresses(Protocol):
    """Where processes are."""

    def url(self, name: str) -> str:
        """Return the address of a process."""
        ...


def witness_of(fault: Fault, addresses: Addresses) -> Witness | None:
    """Return who watches that a fault of this kind is not noticed, or None."""
    match fault.kind:
        case "pool busy":
            return _probes(addresses, [fault.target], PROBES)
        case "database locked":
            return _probes(addresses, [fault.target, f"{fault.target}-2"], PROBES)
        case "database read-only" | "database refuses logins":
            return _probes(addresses, [fault.target, f"{fault.target}-2"], PROBES[:1])
        case "clock ahead" | "clock behind":
            return _prices(addresses, fault.target)
    return None


def _probes(addresses: Addresses, asked: list[str], probes: Sequence[str]) -> Witness:
    def green(*names: str) -> list[str]:
        return [f"{addresses.url(f'{name}-admin')}/{probe}" for name in names for probe in probes]

    return Witness(
        tuple(asked),
        f"{' or '.join(probes)} was not green, but the sandbox's was",
        look=partial(_all_ok, green(*asked), WITHIN),
        control=partial(_all_ok, green(UNTOUCHED), WITHIN),
        lingers=LINGERS,
        of_life="readyz" not in probes,
    )


def _prices(addresses: Addresses, target: str) -> Witness:
    asked = (target if target.startswith("orders") else "orders", "shipping", "shipping-2")
    alive = [f"{addresses.url(f'{name}-admin')}/livez" for name in asked]
    return Witness(
        asked,
        "shipping gave no price, though all answered at once",
        look=partial(_has_price, addresses.url(asked[0])),
        control=partial(_all_ok, alive, AT_ONCE),
    )


async def _all_ok(urls: Sequence[str], within: float) -> bool:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=within)) as session:
        for url in urls:
            async with session.get(url) as answer:
                if answer.status != 200:
                    return False
    return True


async def _has_price(orders: str) -> bool:
    url = f"{orders}/shipping-quotes?country=DE&quantity=1"
    timeout = aiohttp.ClientTimeout(total=WITHIN)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        return answer.status == 200 and not (await answer.json())["estimated"]
