"""What the simulated carrier answers."""

import pytest

from sandbox.carrier.domain import Entry, book, cancel, found, wished
from sandbox.faults import Kind, Wish

HOME = {
    "name": "Ada Lind",
    "street": "1 Mill Lane",
    "city": "Turku",
    "postcode": "20100",
    "country": "FI",
}


def booked(key: str = "b1", street: str = "1 Mill Lane", country: str = "FI") -> Entry:
    return book(key, "o1", HOME | {"street": street, "country": country}, refused=False)


def cancel_of(known: list[Entry], key: str = "x1") -> Entry:
    return cancel(known, key, "o1")


def test_a_booking_has_a_tracking_number_that_its_key_decides() -> None:
    assert booked().outcome == "booked"
    assert booked().tracking == booked().tracking != booked("b2").tracking


@pytest.mark.parametrize(
    ("street", "country", "reason"),
    [
        ("sandbox:refused", "FI", "address_not_served"),
        ("sandbox:refused__late", "FI", "address_not_served"),
        ("1 Ice Shelf", "AQ", "address_not_served"),
        ("sandbox:nonsense", "FI", "invalid_address"),
        ("sandbox:ok__nonsense", "FI", "invalid_address"),
    ],
)
def test_an_address_is_refused_with_a_reason(street: str, country: str, reason: str) -> None:
    refused = booked(street=street, country=country)
    assert (refused.outcome, refused.reason, refused.tracking) == ("refused", reason, None)


def test_bad_luck_refuses_a_good_address() -> None:
    assert book("b1", "o1", HOME, refused=True).outcome == "refused"


def test_a_street_asks_for_a_fault() -> None:
    assert wished(HOME | {"street": "sandbox:ok__reset_after"}) == Wish(Kind.RESET_AFTER, 1)
    assert wished(HOME) is None


def test_a_booking_is_cancelled_once() -> None:
    first = cancel_of([booked()])
    assert (first.outcome, first.tracking) == ("cancelled", booked().tracking)
    assert cancel_of([booked(), first], "x2").reason == "nothing_booked"


def test_one_cancellation_leaves_a_second_booking_alive() -> None:
    both = [booked("b1"), booked("b2")]
    first = cancel_of(both)
    assert first.tracking == both[0].tracking
    assert cancel_of([*both, first], "x2").tracking == both[1].tracking


@pytest.mark.parametrize("known", [[], [booked(country="AQ")]])
def test_nothing_booked_is_not_cancelled(known: list[Entry]) -> None:
    assert cancel_of(known).reason == "nothing_booked"


def test_an_uncancellable_parcel_refuses_every_cancellation() -> None:
    assert cancel_of([booked(street="sandbox:uncancellable")]).reason == "already_collected"


def test_the_latest_answer_is_found() -> None:
    assert found([booked(), cancel_of([booked()])]) == cancel_of([booked()])
    assert found([]) is None
