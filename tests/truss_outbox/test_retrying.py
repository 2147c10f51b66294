"""When a call is repeated, how long it is waited for, and when that ends."""

import pytest

from truss_outbox.contract.errors import AccessDeniedError, StoreUnavailableError
from truss_outbox.retrying import is_transient, patiently, pause_seconds, retry_after_seconds


class Time:
    """Moves only while somebody pauses, and with every call by `call_seconds`."""

    def __init__(self, *, call_seconds: float = 0.0) -> None:
        self.now = 1000.0
        self.call_seconds = call_seconds
        self.pauses: list[float] = []
        self.told: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def call(self, *errors: Exception, timeout_seconds: float = 120):
        """An operation that raises these, one a try, and then the last one for good."""
        left = list(errors)

        def operation() -> str:
            self.now += self.call_seconds
            if len(left) > 1:
                raise left.pop(0)
            if left:
                raise left[0]
            return "done"

        return patiently(
            operation,
            timeout_seconds=timeout_seconds,
            on_wait=self.told.append,
            pause=self.pause,
            elapsed=lambda: self.now,
        )


def away(after: float | None = None) -> StoreUnavailableError:
    return StoreUnavailableError("k", "away", retry_after_seconds=after)


def test_a_bad_minute_is_outlasted_and_then_the_last_error_comes():
    time = Time()
    with pytest.raises(StoreUnavailableError):
        time.call(away())
    assert time.now == pytest.approx(1120)
    assert 15 < len(time.pauses) < 40
    assert max(time.pauses) <= 8


def test_pauses_double_up_to_a_bound_and_differ_between_callers():
    assert [pause_seconds(n, chance=lambda: 1.0) for n in (1, 2, 3, 6, 7, 99)] == [
        *(0.2, 0.4, 0.8, 6.4, 8, 8)
    ]
    assert [pause_seconds(n, chance=lambda: 0.0) for n in (1, 99)] == [0.1, 4]
    assert len({pause_seconds(5) for _ in range(10)}) == 10


@pytest.mark.parametrize("asked", [30, 3600])
def test_what_the_store_asks_for_is_waited_within_the_time_there_is(asked):
    time = Time()
    with pytest.raises(StoreUnavailableError):
        time.call(away(asked), away())
    assert time.pauses[0] == min(asked, 120)
    assert time.now == pytest.approx(1120)


def test_a_store_that_asks_for_less_is_not_asked_sooner():
    time = Time()
    with pytest.raises(StoreUnavailableError):
        time.call(away(0))
    assert all(time.pauses)


def test_no_try_begins_after_the_time_is_over():
    time = Time(call_seconds=50)
    with pytest.raises(StoreUnavailableError):
        time.call(away())
    assert len(time.pauses) == 2
    assert time.now < 1000 + 3 * 50 + 1


def test_each_pause_is_told_by_when_it_ends():
    time = Time()
    with pytest.raises(AccessDeniedError):
        time.call(away(), away(7), away(), AccessDeniedError("k", "no"))
    assert [seconds + 1000 for seconds in time.told][-1] == pytest.approx(time.now)
    assert time.told == sorted(time.told)


def test_what_no_repetition_mends_is_told_at_once():
    time = Time()
    with pytest.raises(AccessDeniedError):
        time.call(AccessDeniedError("k", "no"))
    assert time.pauses == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), (" 120 ", 120), (None, None), ("", None), ("-1", None), ("soon", None)],
)
def test_retry_after_is_in_seconds(header, seconds):
    assert retry_after_seconds(header) == seconds


def test_a_call_without_an_answer_may_be_repeated():
    assert is_transient(None)
