"""The function by which the parts of a platform inform a person."""

from collections.abc import Callable

Report = Callable[[str, str], None]
"""Takes the name of a process and a text about it."""
