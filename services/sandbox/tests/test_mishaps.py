"""What befalls webhooks is decided by seed and webhook alone."""

from collections import Counter

import pytest
from pydantic import ValidationError

from sandbox.mishaps import Mishap, Mishaps, mishap

SOME = Mishaps(duplicate=0.2, late=0.3, never=0.1)


def befalling(seed: int, rates: Mishaps = SOME) -> list[Mishap | None]:
    return [rates.befalling(seed, f"msg_{number}") for number in range(2_000)]


def test_the_same_seed_brings_the_same_mishaps() -> None:
    assert befalling(1) == befalling(1) != befalling(2)


def test_each_befalls_its_share() -> None:
    shares = {kind: count / 2_000 for kind, count in Counter(befalling(1)).items()}
    wanted = {Mishap.DUPLICATE: 0.2, Mishap.LATE: 0.3, Mishap.NEVER: 0.1, None: 0.4}
    assert shares == pytest.approx(wanted, abs=0.04)


def test_nothing_befalls_unless_asked_for() -> None:
    assert set(befalling(1, Mishaps())) == {None}


def test_more_than_all_webhooks_cannot_be_struck() -> None:
    with pytest.raises(ValidationError, match="above 1"):
        Mishaps(late=0.6, never=0.6)


@pytest.mark.parametrize("text", ["", "late", "webhook_", "webhook_soon", "webhook_LATE"])
def test_nonsense_is_no_mishap(text: str) -> None:
    with pytest.raises(ValueError, match="not a mishap"):
        mishap(text)
