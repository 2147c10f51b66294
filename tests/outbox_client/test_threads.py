"""One function, many items, several at a time."""

import subprocess
import sys
import threading
import time

import pytest

from outbox_client.threads import in_threads
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
        "from outbox_client.threads import in_threads\n"
        "kept = in_threads(str, range(100))\n"
        "next(kept)\n"
        "kept.gi_frame.f_locals['self'] = kept\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def test_more_work_at_a_time_where_each_waits_and_no_more_where_they_wait_for_one_another():
    """A far bucket, and a near one that is busy."""

    def most_at_once(wait) -> int:
        at_once, most, lock = 0, 0, threading.Lock()

        def call(_: int) -> None:
            nonlocal at_once, most
            with lock:
                at_once += 1
                most = max(most, at_once)
            wait()
            with lock:
                at_once -= 1

        for _ in in_threads(call, range(3_000), workers=8, most=128):
            pass
        return most

    assert most_at_once(lambda: time.sleep(0.02)) >= 64
    busy = threading.Lock()

    def in_line() -> None:
        with busy:
            time.sleep(0.0005)

    assert most_at_once(in_line) <= 32


def test_a_slow_result_holds_up_no_other():
    slow = threading.Event()
    results = in_threads(lambda one: one and slow.wait(30), [1, 0, 0], workers=3)
    assert [next(results), next(results)] == [0, 0]
    slow.set()
    assert next(results) is True
    until(lambda: next(results, "end") == "end", "the end")
