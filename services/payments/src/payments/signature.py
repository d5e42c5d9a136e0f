"""Verify that the provider signed a webhook: HMAC-SHA256, as in Standard Webhooks 1.0.0.

The specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
Its own library is not used. With forged headers it raises the errors of its decoders, and it
accepts a mistyped secret as another key.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "whsec_"
TOLERANCE_S: Final = 300
MOST_SECRETS: Final = 2
"""The new one and the old one, while a secret is replaced."""


class Forged(Exception):
    """The webhook is not signed with one of our secrets, or its signature is too old or new."""


@dataclass(frozen=True, slots=True)
class Signed:
    """The three headers that sign a webhook."""

    id: str
    timestamp: str
    signatures: str


def keys(secrets: str) -> list[bytes]:
    """Return the keys of one or two secrets, separated by a comma.

    A secret is `whsec_` and the base64 of 24 to 64 bytes. Raises ValueError, which shows no secret.
    """
    found = [_key(secret.strip()) for secret in secrets.split(",")]
    if len(found) > MOST_SECRETS:
        raise ValueError(f"more than {MOST_SECRETS} secrets")
    return found


def verify(keys: Sequence[bytes], signed: Signed, body: bytes, now: float) -> None:
    """Raise Forged unless one signature is by one of the keys and its time is near `now`.

    The time is in seconds since the epoch and may differ by five minutes in both directions.
    Signatures are compared in constant time.
    """
    if not (signed.id and signed.timestamp and signed.signatures):
        raise Forged("the headers webhook-id, webhook-timestamp and webhook-signature are needed")
    if not signed.timestamp.isascii() or not signed.timestamp.isdigit():
        raise Forged("webhook-timestamp is not in seconds since the epoch")
    content = f"{signed.id}.{signed.timestamp}.".encode() + body
    ours = [hmac.digest(key, content, "sha256") for key in keys]
    theirs = _versioned(signed.signatures)
    if not any(hmac.compare_digest(one, other) for one in ours for other in theirs):
        raise Forged("no signature is by a secret that is known here")
    if len(signed.timestamp) > 15 or abs(now - int(signed.timestamp)) > TOLERANCE_S:
        raise Forged(f"it was not signed within {TOLERANCE_S} seconds from now")


def _versioned(signatures: str) -> list[bytes]:
    """Return the signatures of version v1; those of other versions may stand beside them."""
    texts = (text.partition(",") for text in signatures.split(" "))
    return [_decoded(value) for version, _, value in texts if version == "v1"]


def _key(secret: str) -> bytes:
    found = _decoded(secret.removeprefix(PREFIX))
    if not secret.startswith(PREFIX) or not 24 <= len(found) <= 64:
        raise ValueError(
            f"not {PREFIX} and the base64 of 24 to 64 bytes, or two of them with a comma between"
        )
    return found


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # ValueError: it is not ASCII
        return b""
