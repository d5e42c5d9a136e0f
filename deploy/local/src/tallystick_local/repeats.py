"""Report a repeated message once, and then only how often it came."""

from dataclasses import dataclass

Key = tuple[str, str]  # name of the process, kind of message


@dataclass
class _Seen:
    until: float  # before this time, further messages of the kind are only counted
    text: str
    more: int = 0


class Repeats:
    """The messages that were reported, by kind; times are in seconds of any clock."""

    def __init__(self, window: float = 10.0) -> None:
        self._window = window
        self._seen: dict[Key, _Seen] = {}

    def is_news(self, key: Key, text: str, now: float) -> bool:
        """Return whether to report the message; otherwise count it."""
        if key in self._seen:
            self._seen[key].more += 1
            self._seen[key].text = text
            return False
        self._seen[key] = _Seen(now + self._window, text)
        return True

    def summed_up(self, now: float) -> list[tuple[Key, str]]:
        """Return, once per window, how many more messages of each kind came, and the last one."""
        over = {key: seen for key, seen in self._seen.items() if seen.until <= now}
        for key, seen in over.items():
            del self._seen[key]
            if seen.more:
                self._seen[key] = _Seen(now + self._window, seen.text)
        return [(key, f"{seen.more} more: {seen.text}") for key, seen in over.items() if seen.more]
