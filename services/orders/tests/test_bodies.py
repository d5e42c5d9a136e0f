from copy import deepcopy
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import TypeAdapter, ValidationError

from orders.bodies import Cursor, NewOrder, cursor_after, total

ORDER: dict[str, Any] = {
    "customer_id": "c-000001",
    "currency": "EUR",
    "lines": [
        {"sku": "SKU-1", "quantity": 2, "unit_price": 2_100},
        {"sku": "SKU-2", "quantity": 1, "unit_price": 0},
    ],
    "address": {
        "name": "Ada Lind",
        "street": "3 Mill Lane",
        "city": "Ghent",
        "postcode": "9000",
        "country": "BE",
    },
    "payment_token": "tok_visa",
}
LINE = ORDER["lines"][0]
SOMEBODY = "0193e7c2-6b1d-7c3e-8a2f-0123456789ab"
DEAR = {"sku": "S", "quantity": 1_000, "unit_price": 1_000_000_000}
BAD: list[tuple[str, object]] = [
    ("customer_id", ""),
    ("customer_id", 7),
    ("customer_id", None),
    ("customer_id", "c" * 65),
    ("customer_id", "../c"),
    ("customer_id", "c 1"),
    ("customer_id", "c\n"),
    ("currency", "eur"),
    ("currency", "EUR\n"),
    ("currency", "XXX"),
    ("currency", "ABC"),
    ("currency", ["EUR"]),
    ("lines", []),
    ("lines", {}),
    ("lines", [LINE] * 51),
    ("lines", [DEAR, DEAR]),
    ("lines", [LINE | {"unit_price": 0}]),
    ("lines/0", "SKU-1"),
    ("lines/0/sku", ""),
    ("lines/0/sku", "a" * 65),
    ("lines/0/sku", "a\0b"),
    ("lines/0/sku", "a b"),
    ("lines/0/quantity", 0),
    ("lines/0/quantity", -1),
    ("lines/0/quantity", 1_001),
    ("lines/0/quantity", 2**63),
    ("lines/0/quantity", 1.0),
    ("lines/0/quantity", float("nan")),
    ("lines/0/quantity", "1"),
    ("lines/0/quantity", True),
    ("lines/0/unit_price", -1),
    ("lines/0/unit_price", 1_000_000_001),
    ("lines/0/unit_price", 10**400),
    ("lines/0/unit_price", 9.99),
    ("lines/0/discount", 1),
    ("address", "3 Mill Lane, Ghent"),
    ("address/name", ""),
    ("address/name", "A\0da"),
    ("address/name", "Ada\r\nBcc: all"),
    ("address/street", "\ud800"),
    ("address/street", "s" * 201),
    ("address/country", "Belgium"),
    ("address/country", "be"),
    ("address/planet", "Earth"),
    ("payment_token", ""),
    ("payment_token", "tok visa"),
    ("payment_token", "tök"),
    ("payment_token", "t" * 201),
    ("total", 1),
]


def changed(path: str, value: object) -> dict[str, Any]:
    body: Any = deepcopy(ORDER)
    part: Any = body
    *way, last = [int(step) if step.isdecimal() else step for step in path.split("/")]
    for step in way:
        part = part[step]
    part[last] = value
    assert isinstance(body, dict)
    return body


def test_a_good_order_has_the_total_of_its_lines() -> None:
    assert total(NewOrder.model_validate(ORDER).lines) == 4_200


@pytest.mark.parametrize("name", ["Zoë Łukasz", "名前", "🙂", "O'Brien & Söhne"])
def test_names_of_all_scripts_are_good(name: str) -> None:
    assert NewOrder.model_validate(changed("address/name", name)).address.name == name


@pytest.mark.parametrize(("path", "value"), BAD)
def test_a_bad_order_is_refused_by_the_name_of_its_field(path: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        NewOrder.model_validate(changed(path, value))
    fields = ["/".join(str(step) for step in error["loc"]) for error in refused.value.errors()]
    assert fields == [path]


@pytest.mark.parametrize("field", list(ORDER))
def test_every_field_of_an_order_is_needed(field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        NewOrder.model_validate({name: part for name, part in ORDER.items() if name != field})


def test_a_cursor_is_read_as_it_was_written() -> None:
    last = uuid4()
    assert TypeAdapter(Cursor).validate_python(cursor_after(last)) == last


@pytest.mark.parametrize(
    "cursor",
    [
        *("", "x", "A" * 21, "A" * 21 + "B", "A" * 23, "A" * 1_000, "A" * 21 + "=", "é" * 22),
        *("\0" * 22, f"{cursor_after(UUID(SOMEBODY))}=", SOMEBODY, "AAAA AAAAAAAAAAAAAAAAAA"),
    ],
)
def test_a_cursor_of_others_is_refused(cursor: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Cursor).validate_python(cursor)
