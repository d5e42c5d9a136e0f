import io
import sys

import pytest
from click import unstyle

from tallystick._cli.output import braces, cut, plain, say, table


def test_numbers_are_aligned_to_the_right_and_grouped() -> None:
    lines = [unstyle(line) for line in table(("NAME", "COUNT"), [("a", 7), ("long", 12_345)])]
    assert lines == ["NAME   COUNT", "a          7", "long  12,345"]


def test_an_empty_table_says_so() -> None:
    assert table(("NAME",), []) == ["none"]


def test_nothing_that_others_wrote_commands_the_terminal() -> None:
    assert plain("ok \x1b]0;x\x07\u202e\n") == r"ok \x1b]0;x\x07\u202e\n"
    assert plain("two\nlines", kept="\n") == "two\nlines"
    assert table(("A",), [("\x1b[2J\n",)])[1] == r"\x1b[2J\n"


def test_what_is_too_long_is_cut_visibly() -> None:
    assert (cut("12345", 5), cut("123456", 5)) == ("12345", "1234…")


@pytest.mark.parametrize(
    ("subjects", "text"),
    [
        ([], ""),
        (["evt.a.b.v1.*"], "evt.a.b.v1.*"),
        (["evt.a.b.v1.*", "evt.a.c.v1.*"], "evt.a.{b,c}.v1.*"),
        (["evt.a.b.v1.*", "evt.x.c.v1.*"], "evt.a.b.v1.* evt.x.c.v1.*"),
        (["evt.a.>", "evt.a.b.>"], "evt.a.> evt.a.b.>"),
    ],
)
def test_subjects_that_differ_in_one_place_are_written_once(subjects: list[str], text: str) -> None:
    assert braces(subjects) == text


def test_a_terminal_without_the_characters_gets_plain_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(output, encoding="ascii"))
    say("├──▶○ │ … é")
    sys.stdout.flush()
    assert output.getvalue() == b"+-->o | ~ ?\n"
