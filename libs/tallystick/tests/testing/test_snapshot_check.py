import json
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.testing import SchemasDiffer, check_schemas, write_schemas

SHOP = '''\
import typing
import msgspec
from tallystick import Effect, Event, Job, Request

class Base(Event):
    """Shares a field, is no message."""
    item: str

class Sold(Base, name="shop.sold", version=1, key="item", sequence="number"):
    """A text that is no promise."""
    number: int
    colour: str

class Pack(Job, name="shop.pack", version=1, key="item"):
    item: str

class Charge(Effect, name="shop.charge", version=1, key="item"):
    item: str

class Stock(msgspec.Struct):
    left: int

class AskStock(Request[Stock], name="shop.stock", version=1):
    item: str
'''
FILES = ["eff.shop.charge", "evt.shop.sold", "job.shop.pack", "req.shop.stock"]


class Shop:
    """A package whose messages a test writes; each release is a module of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "schemas"
        self.releases = 0

    def release(self, before: str = "", after: str = "") -> str:
        assert before in SHOP
        self.releases += 1
        name = f"{self.root.name}_{self.releases}"
        (self.root / f"{name}.py").write_text(SHOP.replace(before, after, 1))
        return name

    def differs(self, before: str, after: str) -> str:
        with pytest.raises(SchemasDiffer) as reports_errors:
            check_schemas(self.release(before, after), self.folder)
        return str(reports_errors.value)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.syspath_prepend(str(tmp_path))
    shop = Shop(tmp_path)
    write_schemas(shop.release(), shop.folder)
    return shop


def test_there_is_a_snapshot_for_each_type_and_version(shop: Shop) -> None:
    assert [file.name for file in sorted(shop.folder.iterdir())] == [f"{f}.v1.json" for f in FILES]
    sold = json.loads((shop.folder / "evt.shop.sold.v1.json").read_text())
    assert sold.pop("schema")["properties"] == {
        "item": {"type": "string"},
        "number": {"type": "integer"},
        "colour": {"type": "string"},
    }
    assert sold == {
        "kind": "event",
        "name": "shop.sold",
        "version": 1,
        "key": "item",
        "sequence": "number",
    }


def test_messages_like_their_snapshots_pass(shop: Shop) -> None:
    check_schemas(shop.release(), shop.folder)


def test_a_compatible_change_is_told_to_renew_the_snapshots(shop: Shop) -> None:
    text = shop.differs("number: int", "number: int\n    gift: bool = False")
    assert "evt.shop.sold.v1 has changed:\n  - gift: is new and may be missing" in text
    assert "make schemas" in text
    write_schemas(f"{shop.root.name}_2", shop.folder)
    check_schemas(f"{shop.root.name}_2", shop.folder)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("colour: str", "paint: str", "colour: is gone"),
        ("number: int", "number: str", "number: was integer, is string"),
        ("number: int", "number: int\n    gift: bool", "gift: is new and required"),
        (
            "number: int",
            "number: typing.Annotated[int, msgspec.Meta(ge=1)]",
            "minimum was None, is 1",
        ),
        ('key="item", sequence', 'key="number", sequence', "its key was item, is number"),
        (', sequence="number"', "", "its sequence was number, is None"),
    ],
)
def test_an_incompatible_change_is_told_to_become_a_version(
    shop: Shop, before: str, after: str, says: str
) -> None:
    text = shop.differs(before, after)
    assert says in text
    assert "Make it version 2" in text
    assert "keep version 1 until no durable reads evt.shop.sold.v1.*" in text
    assert "then delete the class and evt.shop.sold.v1.json" in text


def test_an_incompatible_change_cannot_be_written_over(shop: Shop) -> None:
    before = {file: file.read_bytes() for file in shop.folder.iterdir()}
    with pytest.raises(SchemasDiffer, match="Make it version 2"):
        write_schemas(shop.release("number: int", "number: str"), shop.folder)
    assert {file: file.read_bytes() for file in shop.folder.iterdir()} == before


def test_the_change_as_a_version_of_its_own_passes(shop: Shop) -> None:
    second = """

class SoldAgain(Base, name="shop.sold", version=2, key="item"):
    number: str

class Pack("""
    release = shop.release("class Pack(", second)
    write_schemas(release, shop.folder)
    check_schemas(release, shop.folder)
    assert (shop.folder / "evt.shop.sold.v2.json").exists()


def test_each_kind_is_told_what_becomes_of_the_old_version(shop: Shop) -> None:
    job = shop.differs("class Pack(Job,", "class Pack(Job, rename='upper',")
    assert "until its stream holds none of job.shop.pack.v1.*" in job
    effect = shop.differs("class Charge(Effect,", "class Charge(Effect, rename='upper',")
    assert "give the changed effect a new name" in effect
    request = shop.differs("left: int", "left: str")
    assert "reply/left: was integer, is string" in request
    assert "until no service asks req.shop.stock.v1" in request


def test_a_message_that_is_gone_is_asked_for(shop: Shop) -> None:
    text = shop.differs('Pack(Job, name="shop.pack"', 'Pack(Job, name="shop.wrap"')
    assert "job.shop.pack.v1 has a snapshot and no class" in text
    assert "job.shop.wrap.v1 has no snapshot yet" in text


def test_the_command_names_what_differs_and_fails(shop: Shop) -> None:
    def run(release: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tallystick.testing.schemas", *options]
        pair = f"{release}={shop.folder}"
        return subprocess.run(
            [*command, pair], cwd=shop.root, text=True, capture_output=True, check=False
        )

    changed = shop.release("number: int", "number: int\n    gift: bool = False")
    reports_errors = run(changed)
    assert (reports_errors.returncode, "gift: is new" in reports_errors.stderr) == (1, True)
    assert run(changed, "--write").returncode == 0
    check_schemas(changed, shop.folder)
