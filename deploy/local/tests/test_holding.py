import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from tallystick.testing import eventually
from tallystick_local.holding import held
from tallystick_local.spec import ProcessSpec, Stage
from tallystick_local.supervisor import Supervisor

MakeSpec = Callable[..., ProcessSpec]
Supervised = Callable[..., AbstractAsyncContextManager[tuple[Supervisor, list[str]]]]
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


@pytest.mark.parametrize("before", ["", STUBBORN], ids=["ends when asked", "has to be killed"])
async def test_no_process_that_is_held_runs_until_the_end_of_the_block(
    before: str, make_spec: MakeSpec, supervised: Supervised
) -> None:
    async with supervised(make_spec("one", before), make_spec("two")) as (supervisor, reports):
        await supervisor.start(Stage.SERVICES)
        first, two = supervisor["one"].pid, supervisor["two"].pid
        async with held([supervisor["one"]], within=0.1 if before else 5):
            assert supervisor.pids() == {"two": two}
            await eventually(lambda: any(each.endswith("held") for each in reports))
            assert supervisor["one"].pid is None
        await eventually(lambda: supervisor["one"].pid not in {first, None})


async def test_a_process_that_is_held_twice_starts_when_both_have_released_it(
    make_spec: MakeSpec, supervised: Supervised
) -> None:
    async with supervised(make_spec("one"), make_spec("two")) as (supervisor, _):
        await supervisor.start(Stage.SERVICES)
        one, two = supervisor["one"], supervisor["two"]
        first, other = one.pid, two.pid
        async with held([one]):
            async with held([one]):
                pass
            two.send(signal.SIGKILL)
            await eventually(lambda: two.pid not in {other, None})  # so one would be back, too
            assert one.pid is None
        await eventually(lambda: one.pid not in {first, None})


async def test_a_process_is_released_though_the_block_fails(
    make_spec: MakeSpec, supervised: Supervised
) -> None:
    async with supervised(make_spec()) as (supervisor, _):
        await supervisor.start(Stage.SERVICES)
        with pytest.raises(OSError, match="no disk"):
            async with held([supervisor["one"]]):
                raise OSError("no disk")
        await eventually(lambda: supervisor["one"].pid is not None)
