"""Draw the label of a parcel in ZPL, which label printers read: 4 x 6 inches, 203 dots per inch.

The printer itself sets the text, in any script, and draws the codes. So making a label takes
microseconds and no thread; a PDF takes milliseconds and 26 to 45 MB of libraries and fonts.
"""

from __future__ import annotations

import re
from typing import Final

from shipping.facts import Shipment

MEDIA_TYPE: Final = "application/zpl"
_LEFT: Final = 40  # dots, as all that follow
_ACROSS: Final = 732
_SIZES: Final = ((60, 44, 3), (150, 28, 4), (200, 22, 5))
"""The longest text, the height in dots and the lines for it; further lines would be overprinted."""
_ENCODABLE: Final = re.compile(r"[A-Za-z0-9 ./-]{1,29}")
"""A tracking number that fits as a barcode; others are printed as text only."""
_ESCAPED: Final = str.maketrans({"_": "_5F", "^": "_5E", "~": "_7E", "\\": r"\\"})
"""The escapes of characters that would be commands."""


def draw(shipment: Shipment) -> str:
    """Return the label of a booked shipment; raise ValueError without address or tracking."""
    address, tracking = shipment.address, shipment.tracking
    if address is None or not tracking:
        raise ValueError("a shipment without address and tracking number has no label")
    return "\n".join(
        (
            "^XA^CI28^PW812^LL1218",
            _line(40, "SHIP TO", 28),
            _text(90, address.name),
            _text(230, address.street),
            _text(370, f"{address.postcode} {address.city}"),
            _line(500, address.country, 90),
            _rule(610),
            _barcode(650, tracking),
            _rule(930),
            f"^FO{_LEFT},960^BQN,2,7^FDMA,{shipment.order_id}^FS",
            f"^FO320,1010^A0N,28,28^FDORDER^FS^FO320,1050^A0N,24,24^FD{shipment.order_id}^FS",
            "^XZ\n",
        )
    )


def _barcode(top: int, tracking: str) -> str:
    """Return a Code 128 with the number below it, its bars as wide as fit."""
    if not _ENCODABLE.fullmatch(tracking):
        return _text(top, tracking)
    width = 3 if len(tracking) <= 18 else 2
    return f"^FO{_LEFT},{top}^BY{width}^BCN,200,Y,N,N^FD{tracking}^FS"


def _text(top: int, text: str) -> str:
    text = "".join(character for character in text if character.isprintable())[: _SIZES[-1][0]]
    height, lines = next(size[1:] for size in _SIZES if len(text) <= size[0])
    block = f"^FB{_ACROSS},{lines},2,L"
    return f"^FO{_LEFT},{top}^A0N,{height},{height}{block}^FH^FD{text.translate(_ESCAPED)}^FS"


def _line(top: int, text: str, height: int) -> str:
    return f"^FO{_LEFT},{top}^A0N,{height},{height}^FD{text}^FS"


def _rule(top: int) -> str:
    return f"^FO{_LEFT},{top}^GB{_ACROSS},3,3^FS"
