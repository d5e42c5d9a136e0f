"""No loop of a service ends by an error or fails without a log line."""

import asyncio

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from tallystick import _loops
from tallystick._loops import Loops
from tallystick._telemetry.awaiting import Call
from tallystick.errors import BrokerConnectionEnded, DatabaseUnavailable, NotAwaited
from tallystick.testing import eventually


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_loops, "BEGIN_AGAIN_AFTER", 0.01)


class Works:
    """Fails the first times, and then goes on for ever."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.begun = 0

    async def run(self) -> None:
        self.begun += 1
        if self.errors:
            raise self.errors.pop(0)
        await asyncio.Event().wait()

    async def act(self) -> None:
        self.begun += 1
        if self.errors:
            raise self.errors.pop(0)


async def test_a_loop_that_ends_by_an_error_is_logged_and_restarted() -> None:
    loops, works = Loops(), Works(ValueError("one"), DatabaseUnavailable("two"))
    with capture_logs() as lines:
        loops.begin(works.run)
        await eventually(lambda: works.begun == 3)
        assert loops.ended == []
        await loops.stop()
    events = [(line["event"], line["log_level"]) for line in lines]
    assert events == [("loop restarted", "error")] * 2
    labels = {"loop": "Works.run"}
    assert REGISTRY.get_sample_value("messaging_loop_restarts_total", labels) == 2


async def test_an_error_that_only_a_new_process_mends_ends_its_loop() -> None:
    loops = Loops()
    works = Works(ExceptionGroup("of a task group", [BrokerConnectionEnded()]))
    loops.begin(works.run)
    await eventually(lambda: loops.ended == ["Works.run"])
    assert works.begun == 1
    await loops.stop()


@pytest.mark.parametrize("error", [DatabaseUnavailable("it is away"), ValueError("it is away")])
async def test_failures_of_a_periodic_act_are_logged_and_counted_until_it_succeeds(
    error: Exception,
) -> None:
    loops, works = Loops(), Works(*[error] * 5)
    labels, name = {"act": "Works.act"}, "messaging_periodic_failures_in_a_row"
    counts = set()
    with capture_logs() as lines:
        loops.every(0.01, works.act)
        while works.begun < 6:
            counts.add(REGISTRY.get_sample_value(name, labels))
            await asyncio.sleep(0)
        await loops.stop()
    assert max(filter(None, counts)) == 5
    assert REGISTRY.get_sample_value(name, labels) == 0
    (line,) = lines  # not one for each failure
    assert line["log_level"] in ("warning", "error")
    assert "it is away" in str(line)
    assert line["act"] == "Works.act"


async def test_an_act_that_lacks_an_await_is_a_failed_one() -> None:
    async def hasty() -> None:
        Call("database.commit")  # never awaited

    loops, labels = Loops(), {"act": hasty.__qualname__}
    name = "messaging_periodic_failures_in_a_row"
    with capture_logs() as lines:
        loops.every(0.01, hasty)
        await eventually(lambda: (REGISTRY.get_sample_value(name, labels) or 0) >= 2)
        await loops.stop()
    failed = [line for line in lines if line["event"] == "periodic act failed"]
    assert failed
    assert all(isinstance(line["exc_info"], NotAwaited) for line in failed)


async def test_a_loop_that_ends_by_the_cancellation_of_what_it_awaited_is_restarted() -> None:
    loops, works = Loops(), Works(asyncio.CancelledError())
    loops.begin(works.run)
    await eventually(lambda: works.begun == 2)
    assert loops.ended == []
    await loops.stop()
