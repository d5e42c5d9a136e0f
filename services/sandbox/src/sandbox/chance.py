"""Draw numbers that depend only on given parts: the same seed gives the same faults."""

from hashlib import blake2b


def draw(*parts: object) -> tuple[float, float]:
    """Return two independent numbers in [0, 1) that depend only on these parts."""
    digest = blake2b("\0".join(map(str, parts)).encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8]) / 2**64, int.from_bytes(digest[8:]) / 2**64
