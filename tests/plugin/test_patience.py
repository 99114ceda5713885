import pytest

from plugin.errors import BusyError, ClusterError
from plugin.patience import FIRST_WAIT_S, LONGEST_WAIT_S, Patience


class Clock:
    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def patience(clock: Clock, seconds: float = 100.0) -> Patience:
    return Patience(seconds, sleep=clock.sleep, clock=clock, chance=lambda: 1.0)


def test_waits_double_up_to_a_limit_and_end() -> None:
    clock = Clock()
    waiting = patience(clock)

    def attempt() -> None:
        raise BusyError("full")

    with pytest.raises(ClusterError, match=r"full; gave up after 100 s without success, see --patience"):
        waiting.call(attempt)
    assert clock.slept[:4] == [FIRST_WAIT_S, 2 * FIRST_WAIT_S, 4 * FIRST_WAIT_S, 8 * FIRST_WAIT_S]
    assert max(clock.slept) == LONGEST_WAIT_S
    assert sum(clock.slept) == pytest.approx(100.0)
    assert waiting.waits == len(clock.slept)
    assert waiting.waited_s == pytest.approx(100.0)


def test_success_begins_anew() -> None:
    clock = Clock()
    waiting = patience(clock, 3.0)
    for _ in range(20):
        waiting.wait(BusyError("full"))
        waiting.succeeded()
    assert clock.slept == [FIRST_WAIT_S] * 20


def test_a_call_is_repeated_until_it_goes_through() -> None:
    left = [BusyError("a"), BusyError("b")]

    def attempt() -> int:
        if left:
            raise left.pop()
        return 7

    assert patience(Clock()).call(attempt) == 7


def test_a_refusal_is_not_repeated() -> None:
    clock = Clock()

    def attempt() -> int:
        raise ClusterError("no")

    with pytest.raises(ClusterError, match=r"^no$"):
        patience(clock).call(attempt)
    assert clock.slept == []


def test_without_patience_the_first_failure_is_the_last() -> None:
    with pytest.raises(ClusterError, match=r"^full$"):
        patience(Clock(), 0.0).wait(BusyError("full"))


def test_given_up_patience_ends_at_the_next_failure() -> None:
    clock = Clock()
    waiting = patience(clock)
    waiting.give_up()
    with pytest.raises(ClusterError, match=r"^full$"):
        waiting.wait(BusyError("full"))
    assert clock.slept == []
