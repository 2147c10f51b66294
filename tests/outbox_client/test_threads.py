"""One function, many items, several at a time."""

import signal
import subprocess
import sys
import threading
import time
from functools import partial

import pytest

from outbox_client.commands.send import _stopped_by_interrupt
from outbox_client.threads import INTERRUPTED, Size, in_steps, in_threads, interrupt, one_ahead
from tests.waiting import until


def test_every_item_comes_back_once_whatever_the_number_of_workers():
    for count, workers, most in [(0, 8, None), (1, 8, None), (50, 1, None), (5_000, 4, 64)]:
        found = in_threads(lambda one: one * 2, range(count), workers=workers, most=most)
        assert sorted(found) == [2 * one for one in range(count)]


def test_items_are_taken_in_the_callers_thread_and_few_ahead_of_the_results():
    taken, threads = [], set()

    def items():
        for number in range(1_000):
            taken.append(number)
            threads.add(threading.current_thread())
            yield number

    for done, _ in enumerate(in_threads(str, items(), workers=4)):
        assert len(taken) <= done + 1 + 8
    assert threads == {threading.current_thread()}


def test_the_first_error_is_raised_once_what_runs_has_ended_and_nothing_else_begins():
    begun, ended = [], []

    def fail(number: int) -> None:
        begun.append(number)
        if number == 3:
            raise ValueError(number)
        time.sleep(0.05)
        ended.append(number)

    with pytest.raises(ValueError, match="3"):
        list(in_threads(fail, range(1_000), workers=4))
    assert len(begun) < 40
    assert set(begun) - set(ended) == {3}


def test_an_error_of_the_items_ends_the_workers_too():
    def items():
        yield 1
        raise KeyError("none")

    before = threading.active_count()
    with pytest.raises(KeyError):
        list(in_threads(str, items()))
    assert threading.active_count() == before


def test_who_stops_reading_ends_what_runs_by_halt():
    halted = threading.Event()
    results = in_threads(lambda one: one or halted.wait(30), range(8), halt=halted.set)
    assert next(results) is not None
    results.close()
    assert halted.is_set()


def test_results_that_nobody_reads_to_the_end_do_not_keep_the_process():
    program = (
        "from outbox_client.threads import Size, in_steps, in_threads\n"
        "kept = in_threads(str, range(100))\n"
        "next(kept)\n"
        "kept.gi_frame.f_locals['self'] = kept\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def most_at_once(
    *,
    latency: float,
    calls_per_second: float,
    count: int,
    own_seconds: float = 0.0,
    begin_seconds: float = 0.0,
    processors: int = 1,
) -> int:
    """How many would work at a time, were each call so long and no more of them done in a second;
    they would begin as 8, and be 128 at most. `own_seconds` are what this process computes for
    each, and `begin_seconds` for all of the first 8 besides."""
    now, ended = 0.0, 0
    size = Size(
        8,
        128,
        elapsed=lambda: now,
        computed=lambda: ended * own_seconds + (begin_seconds if ended else 0),
        processors=processors,
    )
    most = size.now
    while ended < count:
        now += max(latency, size.now / calls_per_second)
        ended += size.now
        size.look(ended, latency)
        most = max(most, size.now)
    return most


def test_more_work_at_a_time_where_each_waits_for_a_far_bucket():
    assert most_at_once(latency=0.02, calls_per_second=1e6, count=3_000) >= 64
    assert most_at_once(latency=0.02, calls_per_second=1e6, count=20_000) == 128


def test_no_more_work_at_a_time_than_a_busy_bucket_takes():
    assert most_at_once(latency=0.0005, calls_per_second=2_000, count=20_000) <= 32


def test_no_more_work_at_a_time_than_keep_a_busy_processor_busy():
    busy = {"latency": 0.02, "calls_per_second": 1_000, "own_seconds": 0.001}
    assert most_at_once(**busy, count=20_000) <= 40
    assert 40 <= most_at_once(**busy, count=20_000, processors=2) <= 80


def test_what_the_first_calls_cost_besides_does_not_keep_them_few():
    far = {"latency": 0.02, "calls_per_second": 1e6, "own_seconds": 0.0003}
    assert most_at_once(**far, begin_seconds=0.1, count=200) >= 60


def test_threads_are_as_many_as_get_more_done():
    at_once, most, lock = 0, 0, threading.Lock()
    all_there = threading.Event()

    def call(_: int) -> None:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
            if at_once == 40:
                all_there.set()
        all_there.wait(0.05)  # as from a far bucket, until there are so many
        with lock:
            at_once -= 1

    for _ in in_threads(call, range(3_000), workers=8, most=64):
        pass
    assert 40 <= most <= 64


def test_a_task_computes_in_the_callers_thread_and_its_calls_are_made_in_others():
    computed, called = set(), set()

    def call(number):
        called.add(threading.current_thread())
        return number + 1

    def task(number):
        for _ in range(3):
            computed.add(threading.current_thread())
            number = yield partial(call, number)
        return number

    assert sorted(in_steps(map(task, range(100)), workers=4)) == list(range(3, 103))
    assert computed == {threading.current_thread()}
    assert threading.current_thread() not in called


def test_a_task_may_end_without_a_call_and_is_told_what_its_call_raised():
    def fail():
        raise KeyError("none")

    def task(number):
        if number:
            try:
                yield fail
            except KeyError:
                return "told"
        return "none"

    assert sorted(in_steps(map(task, [0, 1, 2]))) == ["none", "told", "told"]


def test_what_a_task_does_not_expect_ends_all():
    def task(number):
        yield lambda: 1 // number

    with pytest.raises(ZeroDivisionError):
        list(in_steps(map(task, [1, 0, 1])))


def test_a_slow_result_holds_up_no_other():
    slow = threading.Event()
    results = in_threads(lambda one: one and slow.wait(30), [1, 0, 0], workers=3)
    assert [next(results), next(results)] == [0, 0]
    slow.set()
    assert next(results) is True
    until(lambda: next(results, "end") == "end", "the end")


def test_the_next_item_is_taken_while_one_is_used():
    taken = [threading.Event() for _ in range(4)]

    def items():
        for number, event in enumerate(taken):
            event.set()
            yield number

    for number in one_ahead(items()):
        for event in taken[: number + 2]:
            assert event.wait(10)
        assert not any(event.is_set() for event in taken[number + 2 :])


def test_what_fails_ahead_is_raised_in_its_turn():
    def items():
        yield 1
        raise ValueError("second")

    came = []
    with pytest.raises(ValueError, match="second"):
        came.extend(one_ahead(items()))
    assert came == [1]


def test_a_signal_may_come_while_who_waits_for_it_holds_the_events_lock():
    with pytest.raises(KeyboardInterrupt), INTERRUPTED._cond:
        interrupt()
    assert INTERRUPTED.wait(10)
    INTERRUPTED.clear()
    with _stopped_by_interrupt() as stop:
        with stop._cond:
            signal.raise_signal(signal.SIGINT)
        assert stop.wait(10)
        assert INTERRUPTED.wait(10)
