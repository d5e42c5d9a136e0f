"""Chance that is decided by its parts alone: the same seed brings the same faults."""

from hashlib import blake2b


def draw(*parts: object) -> tuple[float, float]:
    """Two independent numbers in [0, 1) that only these parts decide."""
    digest = blake2b("\0".join(map(str, parts)).encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8]) / 2**64, int.from_bytes(digest[8:]) / 2**64
