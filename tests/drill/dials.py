"""What a drill sets in a replica while it runs: a number each, in a file that both have mapped."""

from __future__ import annotations

import struct
from mmap import mmap
from pathlib import Path
from typing import Final

_NUMBER: Final = struct.Struct("d")


class Dial:
    """A number that all processes of one replica can read at once; 0 until it is set.

    It outlives its processes: one that is restarted goes on with it.
    """

    def __init__(self, folder: Path, name: str, replica: str) -> None:
        with (folder / f"{name}.{replica}").open("a+b") as file:  # made by whoever comes first
            file.truncate(_NUMBER.size)
            self._mapped = mmap(file.fileno(), _NUMBER.size)

    @property
    def value(self) -> float:
        return float(_NUMBER.unpack_from(self._mapped)[0])

    @value.setter
    def value(self, value: float) -> None:
        _NUMBER.pack_into(self._mapped, 0, value)
