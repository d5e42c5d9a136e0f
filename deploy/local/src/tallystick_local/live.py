"""Write a line that is replaced on a terminal; elsewhere, write it from time to time."""

import math
import sys
import time
from typing import TextIO

_CLEAR = "\r\x1b[2K"


class Live:
    """Shows one line at the bottom, and lasting lines above it."""

    def __init__(self, stream: TextIO = sys.stdout, every: float = 2.0) -> None:
        self._stream = stream
        self._moves = stream.isatty()
        self._every = every
        self._shown = ""
        self._shown_at = -math.inf

    def show(self, text: str) -> None:
        """Replace the line; where lines cannot be replaced, write it if the last one is old."""
        if self._moves:
            self._write(f"{_CLEAR}{text}")
        elif text != self._shown and time.monotonic() - self._shown_at > self._every:
            self._write(f"{text}\n")
            self._shown_at = time.monotonic()
        self._shown = text

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self._write(f"{_CLEAR}{text}\n{self._shown}" if self._moves else f"{text}\n")

    def end(self) -> None:
        """Leave the last line on the terminal."""
        if self._moves and self._shown:
            self._write("\n")
        self._shown = ""

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
