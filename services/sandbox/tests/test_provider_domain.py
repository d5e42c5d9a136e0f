"""What the simulated provider answers."""

import pytest

from sandbox.faults import Kind, Wish
from sandbox.mishaps import Mishap
from sandbox.provider.domain import Entry, Wishes, capture, found, refund, wished


def captured(amount: int = 100, token: str = "tok_visa", key: str = "c1") -> Entry:
    return capture(key, "o1", amount, "EUR", token, refused=False)


def refund_of(
    known: list[Entry], amount: int = 100, key: str = "r1", currency: str = "EUR"
) -> Entry:
    return refund(known, key, "o1", amount, currency)


@pytest.mark.parametrize("token", ["tok_visa", "anything", "tok_visa__late", "tok_unrefundable"])
def test_a_good_token_is_captured(token: str) -> None:
    assert (captured(token=token).outcome, captured(token=token).reason) == ("captured", None)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("tok_declined", "card_declined"),
        ("tok_insufficient_funds", "insufficient_funds"),
        ("tok_expired_card", "expired_card"),
        ("tok_declined__reset_after_x2", "card_declined"),
        ("tok_visa__nonsense", "invalid_token"),
        ("tok_visa__", "invalid_token"),
        ("tok_visa__late__busy", "invalid_token"),
        ("tok_visa__webhook_nonsense", "invalid_token"),
        ("tok_visa__webhook_late__webhook_never", "invalid_token"),
    ],
)
def test_a_magic_token_is_declined_with_its_reason(token: str, reason: str) -> None:
    assert (captured(token=token).outcome, captured(token=token).reason) == ("declined", reason)


def test_bad_luck_declines_a_good_token() -> None:
    assert capture("c1", "o1", 100, "EUR", "tok_visa", refused=True).outcome == "declined"


def test_a_token_asks_for_a_fault() -> None:
    assert wished("tok_visa__late_x2") == Wishes(Wish(Kind.LATE, 2))
    assert wished("tok_visa") == Wishes()


@pytest.mark.parametrize(
    "token", ["tok_visa__webhook_never__late", "tok_visa__late__webhook_never"]
)
def test_a_token_asks_for_a_mishap_of_its_webhook_too(token: str) -> None:
    assert wished(token) == Wishes(Wish(Kind.LATE, 1), Mishap.NEVER)
    assert captured(token=token).outcome == "captured"


def test_a_full_refund_is_granted_once() -> None:
    first = refund_of([captured()])
    assert first.outcome == "refunded"
    second = refund_of([captured(), first], key="r2")
    assert (second.outcome, second.reason) == ("refused", "exceeds_captured")


def test_refunds_together_never_exceed_what_was_captured() -> None:
    known = [captured(100), captured(50, key="c2"), refund_of([captured(100)], 90)]
    assert refund_of(known, 60, "r2").outcome == "refunded"
    assert refund_of(known, 61, "r2").reason == "exceeds_captured"


@pytest.mark.parametrize("known", [[], [captured(token="tok_declined")]])
def test_nothing_captured_is_not_refunded(known: list[Entry]) -> None:
    assert refund_of(known).reason == "nothing_captured"


def test_another_currency_is_not_refunded() -> None:
    assert refund_of([captured()], currency="USD").reason == "nothing_captured"


def test_an_unrefundable_token_refuses_every_refund() -> None:
    assert refund_of([captured(token="tok_unrefundable")]).reason == "not_refundable"


def test_a_capture_is_found_before_a_decline() -> None:
    declined = captured(token="tok_declined", key="c0")
    assert found([declined, captured()]) == captured()
    assert found([declined]) == declined
    assert found([]) is None


def test_a_refund_is_not_found_as_a_capture() -> None:
    assert found([refund_of([])]) is None


def test_what_was_asked_does_not_include_the_answer() -> None:
    lucky = capture("c1", "o1", 100, "EUR", "tok_visa", refused=False)
    unlucky = capture("c1", "o1", 100, "EUR", "tok_visa", refused=True)
    assert lucky.asked == unlucky.asked != captured(101).asked
