"""The times after which a process counts as silent, and before it is restarted."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Policy:
    """Times in seconds."""

    probe_every: float = 0.5
    silent_after: float = 5.0
    start_within: float = 60.0
    stop_within: float = 15.0
    first_wait: float = 0.1
    longest_wait: float = 5.0
    settled_after: float = 10.0  # a process that ran this long is restarted at once
    first_starts: int = 3  # first starts that fail before the platform gives up

    def wait(self, failures: int) -> float:
        """Return the wait before a restart, after so many short runs in a row."""
        if failures == 0:
            return 0.0
        return min(self.longest_wait, self.first_wait * 2.0 ** min(failures - 1, 16))
