"""Calls to the outside world: an HTTP client for effects, and the span of a call.

See docs/outside.md.
"""

from tallystick._addresses import address_of
from tallystick.outside._answer import Answer, CallRefused, NoAnswer, Unavailable
from tallystick.outside._client import Client
from tallystick.outside._span import Call, client_span

__all__ = [
    "Answer",
    "Call",
    "CallRefused",
    "Client",
    "NoAnswer",
    "Unavailable",
    "address_of",
    "client_span",
]
