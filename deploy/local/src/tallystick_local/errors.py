"""The errors of a platform that a person can correct."""

from pathlib import Path


class PlatformError(Exception):
    """The platform cannot go on; the message says what to do."""


class AlreadyRunningError(PlatformError):
    """A platform runs on this state folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"a platform already runs on {folder}")
        self.folder = folder


class NotRunningError(PlatformError):
    """No platform runs on this state folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"no platform runs on {folder}: start one by `make up`")


class BusyPortError(PlatformError):
    """A port that was asked for is in use."""


class WrongSettingError(PlatformError):
    """An environment variable has a value that is not allowed."""


class StartError(PlatformError):
    """A process did not start, at any attempt; the message ends with its log."""
