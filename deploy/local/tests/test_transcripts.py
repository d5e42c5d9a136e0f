from pathlib import Path

from tallystick_local.transcripts import rewritten

DOCUMENT = """\
Before.

<!-- transcript: tally $WHAT -->

```text
$ tally what it said long ago
```

Between.

<!-- transcript: tally dlq list -->

```text
```

After.
"""


def test_each_block_becomes_what_its_command_says_and_the_rest_stays(tmp_path: Path) -> None:
    nothing = tmp_path / "tally.env"
    nothing.touch()
    text = rewritten(DOCUMENT, {"WHAT": "--version"}, str(nothing))
    before, first, between, second, after = text.split("```")
    assert before == "Before.\n\n<!-- transcript: tally $WHAT -->\n\n"
    assert first.startswith("text\n$ tally --version\ntally 0.")
    assert between == DOCUMENT.split("```")[2]
    assert second.startswith("text\n$ tally dlq list\ntally: no service is known: set TALLY_ADMIN=")
    assert after == "\n\nAfter.\n"


def test_to_write_it_again_changes_nothing_else(tmp_path: Path) -> None:
    nothing = tmp_path / "tally.env"
    nothing.touch()
    once = rewritten(DOCUMENT, {"WHAT": "--version"}, str(nothing))
    assert rewritten(once, {"WHAT": "--version"}, str(nothing)) == once
