from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import Event, Job
from tallystick._messages import attributes
from tallystick._messages.attributes import NAMES, Attributes, read_attributes
from tallystick._messages.envelope import (
    RESERVE,
    OutboxRow,
    check_size,
    check_subject,
    header_lines,
    parse_headers,
    stored_lines,
    wire_headers,
)
from tallystick._messages.inbound import Inbound, identity
from tallystick._messages.outgoing import publishable
from tallystick._telemetry import tracing
from tallystick.errors import InvalidMessage

LARGEST = 1024 * 1024


class Sold(Event, name="shop.sold", key="item", sequence="version"):
    item: str
    version: int


class Pack(Job, name="shop.pack", key="item"):
    item: str


def row(**changes: object) -> OutboxRow:
    values = {"id": "1", "subject": "evt.shop.sold.v1.00", "headers": b"a: b\r\n", "body": b"{}"}
    return OutboxRow(**(values | {"correlation_id": "1", "key": "k", "type": "t"} | changes))  # type: ignore[arg-type]  # by name


def inbound(headers: bytes) -> Inbound:
    return Inbound("shop-sold", "shop", "1", "evt.shop.sold.v1.00", headers, b"{}")


def test_an_event_goes_out_as_a_cloud_event() -> None:
    with tracing.span("sale") as span:
        made = publishable("shop", Sold(item="mug", version=7), None, LARGEST)
    fields = parse_headers(made.headers)
    assert fields.pop("ce-time").endswith("+00:00")
    assert UUID(fields.pop("ce-id")) == UUID(made.id) == UUID(made.correlation_id)
    assert fields == {
        "ce-source": "shop",
        "ce-specversion": "1.0",
        "ce-subject": "mug",
        "ce-type": "dev.tallystick.shop.sold.v1",
        "ce-sequence": "0000000000000000007",
        "ce-datacontenttype": "application/json",
        "traceparent": span.traceparent,
    }
    assert (made.key, made.body) == ("mug", b'{"item":"mug","version":7}')


@given(st.lists(st.integers(0, 2**63 - 1), min_size=2))
def test_sequences_sort_as_text_as_they_do_as_numbers(versions: list[int]) -> None:
    made = [publishable("shop", Sold(item="mug", version=n), None, LARGEST) for n in versions]
    texts = [parse_headers(row.headers)["ce-sequence"] for row in made]
    assert [int(text) for text in sorted(texts)] == sorted(versions)


@pytest.mark.parametrize("version", [-1, 2**64, True])
def test_a_version_that_is_no_sequence_is_not_published(version: int) -> None:
    with pytest.raises(InvalidMessage, match="version"):
        publishable("shop", Sold(item="mug", version=version), None, LARGEST)


def test_only_a_job_carries_its_correlation_id() -> None:
    event = publishable("shop", Sold(item="mug", version=7), "root", LARGEST)
    job = publishable("shop", Pack(item="mug"), "root", LARGEST)
    assert (event.correlation_id, job.correlation_id) == ("root", "root")
    assert "tally-correlation-id" not in parse_headers(event.headers)
    assert inbound(job.headers).correlation_id == "root"


def read_by_name(block: bytes) -> Attributes:
    fields = parse_headers(block)
    return Attributes(*[fields.get(name, "") for name in NAMES])


def identified(source: str, id_: str) -> Attributes:
    return read_attributes(header_lines({"ce-source": source, "ce-id": id_}))


@given(st.text(min_size=1, max_size=20).filter(str.isprintable), st.integers(0, 3), st.booleans())
def test_the_headers_of_any_publication_are_read_as_by_name(
    item: str, republication: int, sampled: bool
) -> None:
    event: Event | Job = Sold(item=item, version=7) if sampled else Pack(item=item)
    try:
        made = publishable("shop", event, "root", LARGEST)
    except UnicodeEncodeError:
        return  # half of a surrogate pair is no text
    block = wire_headers(msgspec.structs.replace(made, republication=republication), "shop")
    assert read_attributes(block) == read_by_name(block)


def test_what_this_library_publishes_is_read_by_one_pattern(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = wire_headers(publishable("shop", Sold(item="mug", version=7), None, LARGEST), "shop")
    expected = read_by_name(made)
    monkeypatch.setattr(attributes, "parse_headers", None)
    assert read_attributes(made) == expected
    assert expected.id


@pytest.mark.parametrize(
    "more", [b"Tally-Republication: 3\r\n", b"TALLY-CORRELATION-ID: root\r\n", b"ce-id: 2\r\n"]
)
def test_a_foreign_header_behind_ours_is_read_as_by_name(more: bytes) -> None:
    made = wire_headers(publishable("shop", Sold(item="mug", version=7), None, LARGEST), "shop")
    block = made.removesuffix(b"\r\n") + more + b"\r\n"
    assert read_attributes(block) == read_by_name(block)


@given(st.dictionaries(st.from_regex(r"[a-z-]{1,20}", fullmatch=True), st.text(max_size=80)))
def test_every_value_survives_the_headers(headers: dict[str, str]) -> None:
    try:
        lines = header_lines(headers)
    except UnicodeEncodeError:
        return  # half of a surrogate pair is no text
    assert lines.isascii()
    assert lines.count(b"\r\n") == lines.count(b"\n") == len(headers)
    assert parse_headers(b"NATS/1.0\r\n" + lines + b"\r\n") == headers


@given(st.binary(max_size=300))
def test_no_header_block_is_an_error(block: bytes) -> None:
    source, id_ = identity(read_attributes(b"NATS/1.0\r\n" + block), "SHOP", 1)
    (source + id_ + inbound(block).correlation_id).encode()
    assert (source + id_ + inbound(block).correlation_id).isprintable()


def test_of_a_repeated_header_the_first_counts() -> None:
    assert parse_headers(b"NATS/1.0\r\nCE-Id: 1\r\nce-id: 2\r\n\r\n") == {"ce-id": "1"}


def test_a_republication_differs_in_two_headers_only() -> None:
    first, second = wire_headers(row(), "shop"), wire_headers(row(republication=2), "shop")
    assert first == b"NATS/1.0\r\na: b\r\nNats-Msg-Id: shop:1\r\n\r\n"
    assert second == (
        b"NATS/1.0\r\na: b\r\ntally-republication: 2\r\nNats-Msg-Id: shop:1:e2\r\n\r\n"
    )
    assert inbound(second).republication == 2


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "9999999", "\u0663"])
def test_a_republication_that_is_no_number_counts_as_none(text: str) -> None:
    assert inbound(header_lines({"tally-republication": text})).republication == 0


def test_a_received_block_is_stored_without_what_each_publication_adds() -> None:
    block = (
        b"NATS/1.0\r\nce-id: 1\r\nNats-Msg-Id: shop:1:e2\r\ntally-republication: 2\r\n"
        b"Nats-Batch-Id: x\r\nNats-Batch-Sequence: 1\r\nNats-Batch-Commit: 1\r\n"
        b"Nats-Expected-Last-Sequence: 5\r\nNats-Rollup: all\r\nno colon\r\n\r\n"
    )
    assert stored_lines(block) == b"ce-id: 1\r\n"


@pytest.mark.parametrize(
    "subject", ["evt.shop.sold.v1.*", "evt.>", "evt..x", "a b", "", "ä", "a" * 65]
)
def test_a_subject_with_other_tokens_is_invalid(subject: str) -> None:
    with pytest.raises(InvalidMessage, match="has a token outside"):
        check_subject(subject)


def test_a_message_leaves_room_for_the_headers_of_a_dead_letter() -> None:
    fits = row(body=b"x" * (1024 * 1024 - RESERVE - 6))
    check_size(fits, 1024 * 1024)
    with pytest.raises(InvalidMessage, match="1032193 bytes, a message may have at most 1032192"):
        check_size(row(body=fits.body + b"x"), 1024 * 1024)


@pytest.mark.parametrize(
    ("source", "id_"),
    [("", ""), ("shop", ""), ("", "1"), ("shop", "a\0b"), ("shop", "x" * 257), ("s\n", "1")],
)
def test_a_delivery_without_a_usable_identity_is_its_place_in_its_stream(
    source: str, id_: str
) -> None:
    assert identity(identified(source, id_), "SHOP", 9) == ("stream:SHOP", "9")


def test_a_delivery_is_identified_by_its_senders_source_and_id() -> None:
    assert identity(identified("shop", "1"), "SHOP", 9) == ("shop", "1")


@pytest.mark.parametrize("correlation_id", ["a\0b", "x" * 3000, "\x1b", ""])
def test_a_correlation_id_that_no_row_could_keep_is_not_taken_over(correlation_id: str) -> None:
    assert inbound(header_lines({"tally-correlation-id": correlation_id})).correlation_id == "1"
