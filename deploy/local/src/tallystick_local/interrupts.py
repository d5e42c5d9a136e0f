"""Handle Ctrl-C, SIGTERM and a closed terminal: the first signal stops, further ones kill."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interruptible(harder: Callable[[], None], say: Callable[[str], None]) -> Iterator[None]:
    """Cancel the current task at the first signal, call `harder` at each later one; report both."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    count = 0

    def interrupt() -> None:
        nonlocal count
        count += 1
        if count == 1 and task is not None:
            say("stopping; Ctrl-C again kills at once")
            task.cancel()
        elif count > 1:
            say("killing")
            harder()

    for number in SIGNALS:
        loop.add_signal_handler(number, interrupt)
    try:
        yield
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
