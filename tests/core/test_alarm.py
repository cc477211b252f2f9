"""A warning comes at once, then once a minute as long as its cause lasts, and its end is said."""

import logging

import pytest

from chatreel.alarm import AGAIN, Alarm


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def alarm(clock: Clock) -> Alarm:
    return Alarm(logging.getLogger("alarm"), logging.WARNING, "it fails: %s", "it works again, %d failed", clock)


def test_each_cause_is_said_once_and_then_once_a_minute(
    alarm: Alarm, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for cause in ("full", "full", "locked", "full"):
        alarm.ring(cause)
    clock.now += AGAIN - 1
    alarm.ring("full")
    assert caplog.messages == ["it fails: full", "it fails: locked (and 1 times more since it was last said)"]
    clock.now += 1
    alarm.ring("full")
    assert caplog.messages[2:] == ["it fails: full (and 2 times more since it was last said)"]


def test_the_end_is_said_once_and_the_next_time_is_a_first_time(alarm: Alarm, caplog: pytest.LogCaptureFixture) -> None:
    alarm.rest()
    for _ in range(3):
        alarm.ring("full")
    alarm.rest()
    alarm.rest()
    alarm.ring("full")
    assert caplog.messages == ["it fails: full", "it works again, 3 failed", "it fails: full"]
