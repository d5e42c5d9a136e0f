"""What the README and the pages of `docs/` tell people to type."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
_SHELL = re.compile(r"(?ms)^```sh\n(.*?)^```")
_TYPED = re.compile(r"(?m)^ {4}(?=(?:make|curl|tally) )(.*'\{\n(?: {4}.*\n)*? {4}.*\}'|.*)$")
_NAMED = re.compile(
    r"`((?:[A-Z_]+=\w+ )?(?:make \w|tally \w|pip install |python -m |kill -9)[^`]*)`"
)


def commands() -> list[str]:
    """Every command line, those in blocks of the README first, then those of the pages."""
    typed = [re.sub(r"(?m)^ {4}", "", line) for line in _TYPED.findall(README)]
    return list(dict.fromkeys([*typed, *_NAMED.findall(README), *_of_pages()]))


def _of_pages() -> list[str]:
    pages = [page.read_text() for page in sorted((ROOT / "docs").rglob("*.md"))]
    blocks = [block for page in pages for block in _SHELL.findall(page)]
    return [line for block in blocks for line in block.splitlines()]


def command(start: str) -> str:
    """The first command line that begins so."""
    return next(line for line in commands() if line.startswith(start))


def quoted_tests() -> list[str]:
    """The tests whose names it quotes, as functions."""
    quotes = re.findall(r"(?<!\*)\*([a-z][^*]+)\*(?!\*)", README)
    return ["test_" + re.sub(r"\W+", "_", quote) for quote in quotes]
