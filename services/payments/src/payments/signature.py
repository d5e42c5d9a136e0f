"""Whether a webhook is the provider's: HMAC-SHA256, as Standard Webhooks 1.0.0 says.

The specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
Its own library is not used: forged headers make it raise whatever decoding raises, and it takes a
mistyped secret for another key.
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
"""The new one and the old one, while one is replaced."""


class Forged(Exception):
    """Not signed with a secret of ours, or not now."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What the three headers of a webhook say."""

    id: str
    timestamp: str
    signatures: str


def keys(secrets: str) -> list[bytes]:
    """The keys of one or two secrets, separated by a comma: `whsec_` and base64 of 24 to 64 bytes.

    Raises ValueError, which repeats no secret.
    """
    found = [_key(secret.strip()) for secret in secrets.split(",")]
    if len(found) > MOST_SECRETS:
        raise ValueError(f"more than {MOST_SECRETS} secrets")
    return found


def verify(keys: Sequence[bytes], signed: Signed, body: bytes, now: float) -> None:
    """Raises Forged unless one signature is by one of the keys and no older than five minutes.

    Nor may it come from a future as far away. Signatures are compared in constant time.
    """
    if not (signed.id and signed.timestamp and signed.signatures):
        raise Forged("webhook-id, webhook-timestamp and webhook-signature are needed")
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
    """The signatures of the one version that is known; others may stand beside them."""
    texts = (text.partition(",") for text in signatures.split(" "))
    return [_decoded(value) for version, _, value in texts if version == "v1"]


def _key(secret: str) -> bytes:
    found = _decoded(secret.removeprefix(PREFIX))
    if not secret.startswith(PREFIX) or not 24 <= len(found) <= 64:
        raise ValueError(f"not {PREFIX} and the base64 of 24 to 64 bytes, or two by comma")
    return found


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # ValueError: it is not ASCII
        return b""
