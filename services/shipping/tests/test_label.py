import re
from uuid import UUID

import pytest
from msgspec.structs import replace

from shipping import label
from shipping.facts import Shipment, State
from tallystick_contracts.orders import Address, OrderId

ADDRESS = Address(name="Zoë 🙂", street="3 Mill Lane", city="Ghent", postcode="9000", country="BE")
SHIPMENT = Shipment(
    order_id=OrderId(UUID("01936d2f-5d5e-7c4a-8000-000000000001")),
    state=State.BOOKED,
    version=4,
    address=ADDRESS,
    tracking="TRK0042",
)


def to(**address: str) -> str:
    """The label of a parcel to this address."""
    return label.draw(replace(SHIPMENT, address=replace(ADDRESS, **address)))


def data(zpl: str) -> list[str]:
    """What stands between the commands."""
    return re.findall(r"\^FD(.*?)\^FS", zpl, re.DOTALL)


def test_a_label_says_where_the_parcel_goes_and_whose_it_is() -> None:
    assert data(label.draw(SHIPMENT)) == [
        "SHIP TO",
        "Zoë 🙂",
        "3 Mill Lane",
        "9000 Ghent",
        "BE",
        "TRK0042",
        f"MA,{SHIPMENT.order_id}",
        "ORDER",
        str(SHIPMENT.order_id),
    ]


def test_a_label_is_one_whole_format_in_utf_8() -> None:
    zpl = label.draw(SHIPMENT)
    assert zpl.startswith("^XA^CI28")
    assert zpl.endswith("^XZ\n")
    assert (zpl.count("^XA"), zpl.count("^XZ")) == (1, 1)


def test_the_same_shipment_has_the_same_label() -> None:
    assert label.draw(SHIPMENT) == label.draw(SHIPMENT)


def test_the_tracking_number_is_a_barcode_and_the_order_a_qr_code() -> None:
    zpl = label.draw(SHIPMENT)
    assert "^BY3^BCN,200,Y,N,N^FDTRK0042^FS" in zpl
    assert f"^BQN,2,7^FDMA,{SHIPMENT.order_id}^FS" in zpl


@pytest.mark.parametrize("tracking", ["T" * 30, "T>1", "T^1", "Ť1"])
def test_a_tracking_number_that_is_no_barcode_is_written_out(tracking: str) -> None:
    zpl = label.draw(replace(SHIPMENT, tracking=tracking))
    assert "^BC" not in zpl
    assert tracking.replace("^", "_5E") in data(zpl)


def test_a_long_tracking_number_gets_narrower_bars() -> None:
    assert "^BY2^BCN" in label.draw(replace(SHIPMENT, tracking="T" * 29))


@pytest.mark.parametrize("name", ["^XZ^XA", "~JA", "a_5Eb", r"a\&b", "a\r\n^FSb"])
def test_nothing_in_an_address_is_a_command(name: str) -> None:
    commands = re.findall(r"[\^~][A-Z@][A-Z0-9@]?", to(name=name))
    assert commands == re.findall(r"[\^~][A-Z@][A-Z0-9@]?", to(name="Zoë"))


@pytest.mark.parametrize(("length", "height", "lines"), [(60, 44, 3), (61, 28, 4), (200, 22, 5)])
def test_a_long_line_is_set_smaller(length: int, height: int, lines: int) -> None:
    zpl = to(street="m" * length)
    assert f"^A0N,{height},{height}^FB732,{lines},2,L^FH^FD{'m' * length}^FS" in zpl


def test_a_shipment_that_is_not_booked_has_no_label() -> None:
    for lacking in (replace(SHIPMENT, tracking=None), replace(SHIPMENT, address=None)):
        with pytest.raises(ValueError, match="no label"):
            label.draw(lacking)
