"""A service's two sides of the account: what it reads, and what it publishes."""

from __future__ import annotations

from dataclasses import dataclass

from tallystick._account.keeping import Keeping
from tallystick._account.looking import Looking
from tallystick._account.serving import Serving


@dataclass(frozen=True)
class Account:
    """The parts of the account in one replica."""

    looking: Looking
    keeping: Keeping
    serving: Serving
