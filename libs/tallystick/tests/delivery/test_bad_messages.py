"""Any bytes from the wire are a message or raise InvalidMessage, never another exception."""

import json
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tallystick import Event
from tallystick._broker.arrival import arrival_of
from tallystick._broker.requesting import WITHIN
from tallystick._delivery.replying import LONGEST_S, seconds_left
from tallystick._messages.attributes import read_attributes
from tallystick._messages.envelope import header_lines, parse_headers, stored_lines
from tallystick._messages.inbound import Inbound, identity
from tallystick._messages.message import decode
from tallystick._telemetry.traceparent import parse
from tallystick.errors import InvalidMessage


class Price(msgspec.Struct):
    amount: int
    currency: str


class Sold(Event, name="shop.sold", version=1, key="item_id"):
    item_id: UUID
    weight: float
    prices: list[Price]
    colours: dict[str, str] | None = None


GOOD: dict[str, Any] = {
    "item_id": "0190a8a0-0000-7000-8000-000000000001",
    "weight": 1.5,
    "prices": [{"amount": 1, "currency": "EUR"}],
    "colours": {"a": "b"},
}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=10,
)
untimed = settings(deadline=None)  # a busy machine is no failure
LINE = st.binary(max_size=60) | st.sampled_from(
    [
        b"ce-id: 1",
        b"ce-id: %00",
        b"CE-Source: x",
        b"tally-correlation-id: \xff",
        b"tally-republication: 3",
        b"Nats-Rollup: all",
        b"traceparent: 00",
        b": x",
        b"x",
        b"",
    ]
)


def is_sold_or_invalid(body: bytes) -> bool:
    try:
        return isinstance(decode(Sold, body), Sold)
    except InvalidMessage as error:
        return str(error).startswith("Sold: ")


@untimed
@given(st.binary(max_size=500))
@example(b"\xed\xa0\x80")
@example(b'{"item_id":' * 5_000)
def test_bytes_are_a_message_or_invalid(body: bytes) -> None:
    assert is_sold_or_invalid(body)


@untimed
@given(st.dictionaries(st.sampled_from([*GOOD, "later"]), VALUES))
def test_json_is_a_message_or_invalid(body: dict[str, Any]) -> None:
    assert is_sold_or_invalid(json.dumps(body).encode("utf-8", "surrogatepass"))


@untimed
@given(st.data())
def test_a_message_that_was_damaged_is_a_message_or_invalid(data: st.DataObject) -> None:
    body = bytearray(json.dumps(GOOD).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    assert is_sold_or_invalid(bytes(body))


@untimed
@given(st.sampled_from([*GOOD]), VALUES)
def test_a_good_message_with_one_wild_field_is_a_message_or_invalid(field: str, value: Any) -> None:
    assert is_sold_or_invalid(json.dumps(GOOD | {field: value}).encode("utf-8", "surrogatepass"))


@untimed
@given(st.lists(LINE, max_size=8).map(b"\r\n".join), st.binary(max_size=40))
def test_any_header_block_can_be_read_stored_and_sent_again(block: bytes, subject: bytes) -> None:
    block = b"NATS/1.0\r\n" + block + b"\r\n\r\n"
    fields = parse_headers(block)
    source, id_ = identity(read_attributes(block), "SHOP", 1)
    inbound = Inbound("shop-sold", source, id_, "evt.shop.sold.v1.00", block, b"")
    for text in (source, id_, inbound.correlation_id):
        assert text.isprintable()
        assert 0 < len(text) <= 256
    assert 0 <= inbound.republication < 10**6
    parse(fields.get("traceparent"))
    stored = stored_lines(block)
    assert not any(name.startswith(("nats-", "dlq-")) for name in parse_headers(stored))
    assert b"\r\n\r\n" not in stored


@untimed
@given(st.binary(max_size=80))
def test_any_subject_can_be_stored_and_named_in_a_header(subject: bytes) -> None:
    reply = b"$JS.ACK.SHOP.shop-sold.1.2.3.1700000000000000000.0"
    arrival = arrival_of(subject, reply, b"", b"")
    assert "\0" not in arrival.subject
    lines = header_lines({"dlq-subject": arrival.subject})
    assert parse_headers(lines) == {"dlq-subject": arrival.subject}


@pytest.mark.parametrize(
    "deadline", ["", "soon", "nan", "-nan", "inf", "1e9", "1e400", "9" * 5_000]
)
def test_a_wait_that_cannot_be_read_is_the_longest(deadline: str) -> None:
    assert seconds_left({WITHIN: deadline}) == LONGEST_S


@pytest.mark.parametrize("deadline", ["0", "-1", "-inf"])
def test_a_wait_that_is_over_leaves_no_time(deadline: str) -> None:
    assert seconds_left({WITHIN: deadline}) == 0
