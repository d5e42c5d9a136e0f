from typing import Annotated, Any, Literal

import msgspec
import pytest

from tallystick.testing.compatibility import changes
from tallystick.testing.snapshots import schema_of

Short = Annotated[str, msgspec.Meta(min_length=1, max_length=10)]


class Price(msgspec.Struct):
    amount: int
    currency: str = "EUR"


class Line(msgspec.Struct):
    sku: Short
    price: Price
    size: Literal["s", "m"] = "m"


BASE: dict[str, Any] = {
    "id": int,
    "name": Short,
    "lines": list[Line],
    "note": (str | None, None),
    "colours": (dict[str, int], msgspec.field(default_factory=dict)),
    "at": (tuple[int, int], (0, 0)),
}


def struct(fields: dict[str, Any], name: str = "Sold", **options: Any) -> type[msgspec.Struct]:
    """A message of these fields: each a type, or a type and its default."""
    parts = [(n, *f) if isinstance(f, tuple) else (n, f) for n, f in fields.items()]
    return msgspec.defstruct(name, parts, kw_only=True, **options)


def found(after: dict[str, Any]) -> list[str]:
    kept = {name: field for name, field in (BASE | after).items() if field is not GONE}
    return [str(change) for change in changes(schema_of(struct(BASE)), schema_of(struct(kept)))]


GONE = object()


def lines(**changed: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {"sku": Short, "price": Price, "size": (Literal["s", "m"], "m")}
    kept = {name: field for name, field in (fields | changed).items() if field is not GONE}
    return {"lines": list[struct(kept, "Line")]}  # type: ignore[misc]  # made at run time


def test_what_has_not_changed_is_no_change() -> None:
    assert found({}) == []


@pytest.mark.parametrize(
    ("after", "where"),
    [
        ({"gift": (bool, False)}, "gift"),
        ({"gift": (str | None, None)}, "gift"),
        (lines(weight=(int, 0)), "lines/*/weight"),
    ],
)
def test_a_new_field_that_may_be_missing_breaks_nobody(after: Any, where: str) -> None:
    old, new = schema_of(struct(BASE)), schema_of(struct(BASE | after))
    (change,) = changes(old, new)
    assert (change.where, change.breaks) == (where, False)


@pytest.mark.parametrize(
    ("after", "says"),
    [
        ({"name": GONE}, ["name: is gone"]),
        ({"note": GONE}, ["note: is gone"]),
        ({"name": GONE, "title": Short}, ["name: is gone", "title: is new and required"]),
        ({"gift": bool}, ["gift: is new and required"]),
        ({"id": str}, ["id: was integer, is string"]),
        ({"id": int | None}, ["id: was integer, is integer or null"]),
        ({"note": (int | None, None)}, ["note: was null or string, is integer or null"]),
        ({"id": (int, 0)}, ["id: was required, may be missing"]),
        ({"note": str | None}, ["note: could be missing, is required"]),
        (lines(price=int), ["lines/*/price: was object, is integer"]),
        (lines(sku=GONE), ["lines/*/sku: is gone"]),
        ({"at": (tuple[int, int, int], (0, 0, 0))}, ["at: had 2 places, has 3"]),
        ({"at": (tuple[int, str], (0, ""))}, ["at/1: was integer, is string"]),
        ({"colours": (dict[str, str], {})}, ["colours/*: was integer, is string"]),
    ],
)
def test_a_field_that_is_gone_renamed_needed_or_of_another_type_breaks_readers(
    after: Any, says: list[str]
) -> None:
    texts = found(after)
    assert all(any(text.startswith(one) for text in texts) for one in says), texts


@pytest.mark.parametrize(
    ("after", "says"),
    [
        ({"id": Annotated[int, msgspec.Meta(ge=1)]}, "id: minimum was None, is 1"),
        (
            {"name": Annotated[str, msgspec.Meta(min_length=2, max_length=10)]},
            "name: minLength was 1, is 2",
        ),
        (
            {"name": Annotated[str, msgspec.Meta(min_length=1, max_length=9)]},
            "name: maxLength was 10, is 9",
        ),
        (
            {"name": Annotated[str, msgspec.Meta(min_length=1, max_length=10, pattern="^a")]},
            "name: pattern was None, is ^a",
        ),
        (lines(size=(Literal["m"], "m")), "lines/*/size: enum was ['m', 's'], is ['m']"),
    ],
)
def test_a_narrower_constraint_refuses_what_is_stored(after: Any, says: str) -> None:
    assert found(after) == [f"{says}; messages that are stored would be refused"]


@pytest.mark.parametrize(
    ("after", "says"),
    [
        ({"name": Annotated[str, msgspec.Meta(max_length=10)]}, "name: minLength was 1, is None"),
        (
            {"name": Annotated[str, msgspec.Meta(min_length=1, max_length=11)]},
            "name: maxLength was 10, is 11",
        ),
        (
            lines(size=(Literal["s", "m", "l"], "m")),
            "lines/*/size: enum was ['m', 's'], is ['l', 'm', 's']",
        ),
    ],
)
def test_a_wider_constraint_lets_pass_what_older_readers_refuse(after: Any, says: str) -> None:
    assert found(after) == [f"{says}; readers of the release before would refuse it"]


def test_another_default_changes_the_meaning_of_what_is_stored() -> None:
    (text,) = found(lines(size=(Literal["s", "m"], "s")))
    assert text.startswith("lines/*/size: is 's' where it is missing, was 'm'")


def test_readers_that_refuse_unknown_fields_cannot_bear_a_new_one() -> None:
    old = struct(BASE, forbid_unknown_fields=True)
    new = struct(BASE | {"gift": (bool, False)}, forbid_unknown_fields=True)
    (change,) = changes(schema_of(old), schema_of(new))
    assert (change.where, change.breaks) == ("gift", True)


def test_names_texts_and_the_order_of_fields_are_no_promise() -> None:
    turned = dict(reversed(BASE.items()))
    other = struct(turned, "Other", namespace={"__doc__": "A text."})
    assert schema_of(other) == schema_of(struct(BASE))


class Tree(msgspec.Struct):
    name: str
    branches: "list[Tree]" = []


def test_a_type_may_hold_itself() -> None:
    assert schema_of(Tree)["properties"]["branches"]["items"] == {"$ref": "Tree"}
