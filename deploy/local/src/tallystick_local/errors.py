"""What can go wrong with a platform in a way that a person can mend."""

from pathlib import Path


class PlatformError(Exception):
    """The message says what to mend."""


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
    """An environment variable is not what it must be."""


class StartError(PlatformError):
    """Something did not start, each time that it was tried; the message ends in its log."""
