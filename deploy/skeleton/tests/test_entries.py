from pathlib import Path

import pytest

from tallystick_skeleton.entries import ENTRIES, Entry, entered, free_port
from tallystick_skeleton.naming import Refused

ROOT = Path(__file__).parents[3]


def read(file: str) -> str:
    return (ROOT / file).read_text()


def test_a_new_service_stands_before_the_sandbox_in_each_file() -> None:
    made = entered("zebra", read)
    assert set(made) == {entry.file for entry in ENTRIES}
    for file, text in made.items():
        assert text.index("zebra") < text.rindex("sandbox"), file


def test_nothing_that_was_there_is_gone() -> None:
    for file, text in entered("zebra", read).items():
        words = text.split()
        assert set(read(file).split()) <= set(words), file


def test_the_next_service_stands_after_the_last() -> None:
    once = entered("zebra", read)
    again = entered("yak", lambda file: once.get(file) or read(file))["deploy/services.toml"]
    assert again.index("\nzebra = ") < again.index("\nyak = ") < again.index("\nsandbox = ")


def test_its_port_is_free() -> None:
    assert free_port("a = { port = 8005 }\nb = { port = 8003 }") == 8006


def test_a_file_that_looks_otherwise_is_refused_by_its_name() -> None:
    entry = Entry("some.file", "^sandbox$", "{name}\n")
    with pytest.raises(Refused, match=r"some\.file has 0 places"):
        entry.made("nothing like it", {"name": "zebra"})
