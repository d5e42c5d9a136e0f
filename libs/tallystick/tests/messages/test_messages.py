import zlib
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import Effect, Event, Job, Request
from tallystick._messages.message import (
    MessageType,
    decode,
    encode,
    message_key,
    message_type,
)
from tallystick.errors import DeclarationError, InvalidMessage

ID = UUID("0190a8a0-0000-7000-8000-000000000001")


class Sold(Event, name="shop.sold-out", version=2, key="item_id", sequence="version"):
    item_id: UUID
    version: int


class Pack(Job, name="shop.pack", key="item_id"):
    item_id: UUID


class Stock(Request[int], name="shop.stock"):
    item_id: UUID


class Charge(Effect, name="shop.charge", key="reference"):
    reference: str


def test_an_event_is_named_by_its_declaration() -> None:
    declared = message_type(Sold)
    assert declared == MessageType("event", "shop.sold-out", 2, "item_id", "version")
    assert declared.ce_type == "dev.tallystick.shop.sold-out.v2"
    assert declared.subjects == "evt.shop.sold-out.v2.*"
    assert (declared.domain, declared.action, declared.stream) == ("shop", "sold-out", "SHOP")


def test_jobs_have_a_stream_of_their_own() -> None:
    assert message_type(Pack).stream == "SHOP_JOBS"
    assert message_type(Pack).template == "job.shop.pack.v1"


@pytest.mark.parametrize("cls", [Stock, Charge])
def test_requests_and_effects_are_in_no_stream(cls: type[Request[int] | Effect]) -> None:
    with pytest.raises(DeclarationError, match="kept in no stream"):
        _ = message_type(cls).stream


def test_a_request_has_one_subject() -> None:
    assert message_type(Stock).subjects == "req.shop.stock.v1.*"
    assert message_type(Stock).requested_by("orders") == "req.shop.stock.v1.orders"


@given(st.text(max_size=50))
def test_a_key_has_one_of_64_shards_for_ever(key: str) -> None:
    subject, _, shard = message_type(Sold).subject(key).rpartition(".")
    assert subject == "evt.shop.sold-out.v2"
    assert shard == f"{zlib.crc32(key.encode()) % 64:02d}"


def test_the_shard_of_a_key_is_the_same_in_every_release() -> None:
    assert message_type(Sold).subject(str(ID)) == "evt.shop.sold-out.v2.34"


@pytest.mark.parametrize(
    ("name", "version", "key", "sequence", "reason"),
    [
        ("shop", 1, "item_id", None, "domain.what-happened"),
        ("Shop.sold", 1, "item_id", None, "domain.what-happened"),
        ("shop.sold.out", 1, "item_id", None, "domain.what-happened"),
        ("shop.sold", 0, "item_id", None, "from 1 on"),
        ("shop.sold", 1, None, None, "key= must name"),
        ("shop.sold", 1, "other", None, 'no field "other"'),
        ("shop.sold", 1, "item_id", "other", 'no field "other"'),
    ],
)
def test_a_declaration_that_breaks_a_rule_is_an_error_where_the_class_is_made(
    name: str, version: int, key: str | None, sequence: str | None, reason: str
) -> None:
    with pytest.raises(DeclarationError, match=reason):

        class Wrong(Event, name=name, version=version, key=key, sequence=sequence):
            item_id: int


def test_fields_may_be_shared_by_a_class_without_a_name() -> None:
    class Base(Event):
        item_id: int

    class Gone(Base, name="shop.gone", key="item_id"):
        why: str

    assert message_type(Gone).key == "item_id"
    with pytest.raises(DeclarationError, match="no name="):
        message_type(Base)


def test_a_derived_message_does_not_inherit_the_name() -> None:
    class RetryLater(Sold):
        pass

    with pytest.raises(DeclarationError, match="no name="):
        message_type(RetryLater)


def test_messages_are_frozen_and_keyword_only() -> None:
    with pytest.raises(TypeError):
        Sold(ID, 1)
    with pytest.raises(AttributeError):
        Sold(item_id=ID, version=1).version = 2


def test_what_was_encoded_is_decoded() -> None:
    sold = Sold(item_id=ID, version=3)
    assert encode(sold) == b'{"item_id":"%b","version":3}' % str(ID).encode()
    assert decode(Sold, encode(sold)) == sold


def test_a_field_of_a_later_release_passes() -> None:
    body = b'{"item_id":"%b","version":3,"later":[1]}' % str(ID).encode()
    assert decode(Sold, body) == Sold(item_id=ID, version=3)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{",
        b"\xff\xfe",
        b'{"item_id":"\xff","version":1}',
        b'{"item_id":"nothing","version":1}',
        b'{"item_id":"%b"}' % str(ID).encode(),
        b'{"item_id":"%b","version":1e400}' % str(ID).encode(),
        b'{"item_id":"%b","version":%b}' % (str(ID).encode(), b"9" * 9000),
        b"[" * 200_000,
        b'{"a":' * 200_000,
    ],
)
def test_any_other_body_is_invalid_and_nothing_else(body: bytes) -> None:
    with pytest.raises(InvalidMessage, match="Sold"):
        decode(Sold, body)


def test_the_key_of_a_message_is_text() -> None:
    assert message_key(Sold(item_id=ID, version=1)) == str(ID)
    assert message_key(Stock(item_id=ID)) == ""


@pytest.mark.parametrize("key", ["x" * 257, "a\nb", "a\0b", "\ud800", "\x1b[0m"])
def test_a_key_that_cannot_be_a_header_is_invalid(key: str) -> None:
    with pytest.raises(InvalidMessage, match="is not 1 to 256 printable characters"):
        message_key(Charge(reference=key))
