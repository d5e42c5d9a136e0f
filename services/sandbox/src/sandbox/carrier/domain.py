"""Decide the simulated carrier's answers. A magic street is `sandbox:<outcome>[__<wish>]`.

| address                       | outcome                                              |
|-------------------------------|------------------------------------------------------|
| street `sandbox:refused`      | refused: `address_not_served`                        |
| country `AQ` (Antarctica)     | refused: `address_not_served`                        |
| street `sandbox:uncancellable`| booked, and every cancellation is refused            |
| street `sandbox:ok__<wish>`   | booked, with a fault of `sandbox.faults`             |
| street `sandbox:...nonsense`  | refused: `invalid_address`                           |
| any other                     | booked                                               |
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

from sandbox.faults import Wish, wish

MAGIC = "sandbox:"
OUTCOMES = {"ok", "refused", "uncancellable"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the carrier's ledger: a request and its answer; the address is JSON."""

    key: str
    call: Literal["book", "cancel"]
    reference: str
    address: str | None
    tracking: str | None
    outcome: Literal["booked", "cancelled", "refused"]
    reason: str | None = None

    @property
    def asked(self) -> tuple[object, ...]:
        """What the caller sent."""
        return self.call, self.reference, self.address


def wished(address: Mapping[str, str]) -> Wish | None:
    """Return the fault that an address asks for, or None if it asks for none or is not valid."""
    try:
        return wish(_magic(address)[1])
    except ValueError:
        return None


def book(key: str, reference: str, address: Mapping[str, str], *, refused: bool) -> Entry:
    """Book a parcel under a tracking number or refuse; `refused` is a refusal by the rates."""
    reason = _refuses(address) or ("address_not_served" if refused else None)
    text = json.dumps(dict(address), sort_keys=True)
    if reason:
        return Entry(key, "book", reference, text, None, "refused", reason)
    return Entry(key, "book", reference, text, _tracking(key), "booked")


def cancel(known: Sequence[Entry], key: str, reference: str) -> Entry:
    """Cancel the oldest booking of this reference that is not cancelled yet, or refuse."""
    cancelled = {entry.tracking for entry in known if entry.outcome == "cancelled"}
    for entry in known:
        if entry.outcome == "booked" and entry.tracking not in cancelled:
            if _magic(json.loads(entry.address or "{}"))[0] == "uncancellable":
                return Entry(key, "cancel", reference, None, None, "refused", "already_collected")
            return Entry(key, "cancel", reference, None, entry.tracking, "cancelled")
    return Entry(key, "cancel", reference, None, None, "refused", "nothing_booked")


def found(known: Sequence[Entry]) -> Entry | None:
    """Return the latest answer to a booking of this reference or to its cancellation."""
    return known[-1] if known else None


def _refuses(address: Mapping[str, str]) -> str | None:
    outcome, wanted = _magic(address)
    if outcome not in OUTCOMES or (wanted and wished(address) is None):
        return "invalid_address"
    if outcome == "refused" or address.get("country") == "AQ":
        return "address_not_served"
    return None


def _magic(address: Mapping[str, str]) -> tuple[str, str]:
    street = address.get("street", "")
    if not street.startswith(MAGIC):
        return "ok", ""
    outcome, _, wanted = street.removeprefix(MAGIC).partition("__")
    return outcome, wanted


def _tracking(key: str) -> str:
    return f"SBX{blake2b(key.encode(), digest_size=6).hexdigest().upper()}"
