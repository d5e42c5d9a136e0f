"""Where a command looks for the platform."""

from pathlib import Path

import pytest

from tallystick._cli.errors import UsedWrongly
from tallystick._cli.targets import Places, find

ENV = {
    "TALLY_NATS_URL": "nats://environment:4222",
    "TALLY_ADMIN": "orders=http://environment:9001",
    "TALLY_ADMIN_TOKEN": "environment",
}
WRITTEN = """
# what a platform wrote
export TALLY_NATS_URL="nats://written:4222"
TALLY_ADMIN=orders=http://written:9001,orders=http://written:9011,payments=https://written/
TALLY_ADMIN_TOKEN='writ ten'  # and a remark
PATH=/nowhere
"""


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that a platform left in the folder above this one."""
    (tmp_path / ".state").mkdir()
    (tmp_path / ".state" / "tally.env").write_text(WRITTEN)
    (tmp_path / "deep" / "down").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "down")
    return tmp_path


@pytest.mark.usefixtures("written")
def test_a_file_that_a_platform_left_here_or_above_is_found() -> None:
    assert find(environment={}) == Places(
        "nats://written:4222",
        {
            "orders": ("http://written:9001", "http://written:9011"),
            "payments": ("https://written",),
        },
        "writ ten",
    )


@pytest.mark.usefixtures("written")
def test_a_found_file_adds_nothing_to_what_the_environment_says() -> None:
    token = {"TALLY_ADMIN_TOKEN": "environment"}
    assert find(environment=token) == Places(None, {}, "environment")


def test_a_named_file_counts_instead_of_the_environment(written: Path) -> None:
    file = written / ".state" / "tally.env"
    by_option = find(config=file, environment=ENV)
    assert by_option == find(environment={**ENV, "TALLY_CONFIG": str(file)})
    assert by_option.nats_url == "nats://written:4222"


def test_options_come_first() -> None:
    found = find("nats://option:4222", ["shipping=http://option:9003"], environment=ENV)
    assert found == Places(
        "nats://option:4222", {"shipping": ("http://option:9003",)}, "environment"
    )


def test_names_are_separated_by_commas_or_spaces() -> None:
    both = {"TALLY_ADMIN": "a=http://1, b=http://2\nc=http://3"}
    assert list(find(environment=both).admins) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "text", ["orders", "orders=", "orders=nats://x", "=http://x", "A=http://x"]
)
def test_an_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsedWrongly, match=r"is not of the form orders=http://127\.0\.0\.1:9001"):
        find(admin=[text], environment={})


def test_a_named_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsedWrongly, match="cannot read the settings in"):
        find(config=tmp_path / "nothing", environment={})
    (tmp_path / "odd").write_text("TALLY_NATS_URL='unended")
    with pytest.raises(UsedWrongly, match="cannot read the settings in"):
        find(config=tmp_path / "odd", environment={})


@pytest.mark.parametrize(
    ("places", "what"),
    [
        (Places(None, {}, None), "no service is known: set TALLY_ADMIN="),
        (Places(None, {"a": ("http://x",)}, None), "token is not known: set TALLY_ADMIN_TOKEN"),
    ],
)
def test_what_is_not_known_is_named(places: Places, what: str) -> None:
    with pytest.raises(UsedWrongly, match=what):
        places.services()
    with pytest.raises(UsedWrongly, match="no broker is known: set TALLY_NATS_URL"):
        places.broker()


def test_who_knows_no_platform_is_told_how_to_start_one() -> None:
    nowhere = Places(None, {}, None)
    for asked in (nowhere.broker, nowhere.services):
        with pytest.raises(UsedWrongly, match=r"to start one here: tally dev <service>, .*make up"):
            asked()
