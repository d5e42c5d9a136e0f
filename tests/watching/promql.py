"""The names that an expression of Prometheus is made of."""

import re
from collections.abc import Iterator

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_COMMENT = re.compile(r"#[^\n]*")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_RANGE = re.compile(r"\[[^\]]*\]|\boffset\s+\S+")
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*\{([^}]*)\}")
_NAME = re.compile(r"(?<![\w:$])[a-zA-Z_:][\w:]*(?![\w:]*\s*\()")
_WORDS = frozenset({"and", "or", "unless", "bool", "by", "on"})


def metrics(expression: str) -> set[str]:
    """The metrics that it reads."""
    rest = _RANGE.sub("", _GROUPING.sub("", _plain(expression)))
    rest = re.sub(r"\{[^}]*\}", "", rest)
    return {name for name in _NAME.findall(rest) if name not in _WORDS}


def matchers(expression: str) -> Iterator[tuple[str, str]]:
    """Each metric with a label that it is selected by."""
    for metric, inside in _SELECTOR.findall(_plain(expression)):
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside):
            yield metric, label


def _plain(expression: str) -> str:
    return _TEXT.sub("''", _COMMENT.sub("", expression))
