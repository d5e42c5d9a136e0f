"""How the parts of a platform tell a person what happened."""

from collections.abc import Callable

Report = Callable[[str, str], None]
"""Told the name of a process and what a person should know of it."""
