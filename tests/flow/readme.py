"""What the README tells people to type."""

import re
from pathlib import Path

README = (Path(__file__).parents[2] / "README.md").read_text()
_TYPED = re.compile(r"(?m)^ {4}(?=(?:make|curl|tally) )(.*'\{\n(?: {4}.*\n)*? {4}.*\}'|.*)$")
_NAMED = re.compile(
    r"`((?:[A-Z_]+=\w+ )?(?:make \w|tally \w|pip install |python -m |kill -9)[^`]*)`"
)


def commands() -> list[str]:
    """Every command line, those in blocks first."""
    typed = [re.sub(r"(?m)^ {4}", "", line) for line in _TYPED.findall(README)]
    return list(dict.fromkeys([*typed, *_NAMED.findall(README)]))


def command(start: str) -> str:
    """The first command line that begins so."""
    return next(line for line in commands() if line.startswith(start))


def quoted_tests() -> list[str]:
    """The tests whose names it quotes, as functions."""
    quotes = re.findall(r"(?<!\*)\*([a-z][^*]+)\*(?!\*)", README)
    return ["test_" + re.sub(r"\W+", "_", quote) for quote in quotes]
