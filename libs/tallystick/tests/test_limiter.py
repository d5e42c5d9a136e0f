"""A message that repeats itself is reported once in a while."""

from tallystick.limiter import Limiter


def test_a_key_is_due_once_and_again_after_its_time() -> None:
    now = [100.0]
    limiter = Limiter(5.0, clock=lambda: now[0])
    assert limiter.is_due("refused")
    now[0] = 104.9
    assert not limiter.is_due("refused")
    now[0] = 105.0
    assert limiter.is_due("refused")


def test_a_key_does_not_silence_another() -> None:
    limiter = Limiter()
    assert limiter.is_due("refused")
    assert limiter.is_due("no answer")
    assert not limiter.is_due("refused")


def test_what_keeps_repeating_is_said_in_every_window() -> None:
    now = [0.0]
    limiter = Limiter(5.0, clock=lambda: now[0])
    reported = 0
    for tenth in range(200):
        now[0] = tenth / 10
        reported += limiter.is_due("refused")
    assert reported == 4
