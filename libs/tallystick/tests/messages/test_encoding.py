"""A message that its readers could not decode is refused where it is committed."""

import timeit
from datetime import UTC, datetime
from decimal import Decimal
from math import inf, nan
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest

from tallystick import Event
from tallystick._messages.message import decode, encode, message_key
from tallystick.errors import InvalidMessage

ID = UUID("0190a8a0-0000-7000-8000-000000000001")


class Sold(Event, name="shop.sold", key="id"):
    id: UUID
    price: float
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    note: str | None = None
    more: Any = None


GOOD: dict[str, Any] = {"id": ID, "price": 1.5, "at": datetime(2026, 1, 1, tzinfo=UTC)}


def test_a_good_message_is_what_its_readers_read() -> None:
    message = Sold(**GOOD)
    assert decode(Sold, encode(message)) == message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "not-a-uuid"),
        ("price", nan),
        ("price", inf),
        ("price", "1.5"),
        ("price", Decimal("1.5")),
        ("price", None),
        ("at", datetime(2026, 1, 1)),  # noqa: DTZ001  # what it is about
        ("at", "yesterday"),
        ("note", 1),
        ("more", object()),
        ("more", "\ud800"),
        ("more", 2**200 * 1j),
    ],
)
def test_a_message_that_nobody_could_read_is_not_encoded(field: str, value: Any) -> None:
    with pytest.raises(InvalidMessage, match="Sold: "):
        encode(Sold(**GOOD | {field: value}))


@pytest.mark.parametrize("key", [None, ""])
def test_a_message_about_nothing_has_no_key(key: Any) -> None:
    with pytest.raises(InvalidMessage, match="is not 1 to 256 printable characters"):
        message_key(Sold(**GOOD | {"id": key}))


def test_the_check_costs_about_a_microsecond() -> None:
    message = Sold(**GOOD)
    encoding = msgspec.json.Encoder().encode
    checked = min(timeit.repeat(lambda: encode(message), number=2000, repeat=7))
    bare = min(timeit.repeat(lambda: encoding(message), number=2000, repeat=7))
    assert (checked - bare) / 2000 < 5e-6  # a busy machine is no failure
