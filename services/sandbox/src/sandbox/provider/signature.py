"""Sign webhooks: HMAC-SHA256, as in Standard Webhooks 1.0.0.

The specification: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import binascii
import hmac

PREFIX = "whsec_"


def key(secret: str) -> bytes:
    """Return the key in a secret, which is `whsec_` and the base64 of 24 to 64 bytes.

    Raises ValueError, which does not show the secret.
    """
    try:
        found = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        found = b""
    if not secret.startswith(PREFIX) or not 24 <= len(found) <= 64:
        raise ValueError(f"not {PREFIX} and the base64 of 24 to 64 bytes")
    return found


def headers(key: bytes, webhook: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the three headers of a webhook sent at `timestamp`, in seconds since the epoch."""
    signed = f"{webhook}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return {
        "webhook-id": webhook,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
