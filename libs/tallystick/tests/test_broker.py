"""What is said about the connection to the broker."""

import pytest
from structlog.testing import capture_logs

from tallystick import Broker, _broker


async def test_what_the_client_fails_with_is_said_once_in_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broker = Broker("nats://nowhere:4222", "shop")
    with capture_logs() as lines:
        for error in (OSError("refused"), OSError("refused"), TimeoutError()):
            await broker._failed(error)
        monkeypatch.setattr(_broker, "SAY_EVERY", 0.0)
        await broker._failed(OSError("refused"))
    assert [line["error"] for line in lines] == ["refused", "TimeoutError", "refused"]
