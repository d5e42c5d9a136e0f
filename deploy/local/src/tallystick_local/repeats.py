"""Says the same once, then only how often."""

from dataclasses import dataclass

Key = tuple[str, str]  # whose, of which kind


@dataclass
class _Seen:
    until: float  # no other of the kind is news before
    text: str
    more: int = 0


class Repeats:
    """What was said of each kind; times in seconds of any clock."""

    def __init__(self, window: float = 10.0) -> None:
        self._window = window
        self._seen: dict[Key, _Seen] = {}

    def is_news(self, key: Key, text: str, now: float) -> bool:
        """Whether to say it; otherwise it is counted."""
        if key in self._seen:
            self._seen[key].more += 1
            self._seen[key].text = text
            return False
        self._seen[key] = _Seen(now + self._window, text)
        return True

    def summed_up(self, now: float) -> list[tuple[Key, str]]:
        """Return, once a window, how many more there were of each kind, and the last of them."""
        over = {key: seen for key, seen in self._seen.items() if seen.until <= now}
        for key, seen in over.items():
            del self._seen[key]
            if seen.more:
                self._seen[key] = _Seen(now + self._window, seen.text)
        return [(key, f"{seen.more} more: {seen.text}") for key, seen in over.items() if seen.more]
