"""What is shown while a job runs: bars, lines, JSON lines."""

import io
import json
import re

import pytest

from outbox_client.commands.progress.display import shown_progress, told_plan
from outbox_client.commands.progress.lines import AS_JSON, AS_TEXT, Lines, summary
from outbox_client.commands.progress.totals import ProgressTotals, grouped_lines
from outbox_client.progress import ProgressEvent
from tests.waiting import until


@pytest.fixture
def totals(time) -> ProgressTotals:
    return ProgressTotals(lambda: time.now)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def lines(totals, stream, time):
    """Everything that happens, shown as lines; the clock is looked at after each event."""
    view = Lines(totals, stream, AS_TEXT)

    def take(event: ProgressEvent) -> None:
        if totals.take(event):
            view.show(event)
        view.tick()

    take.close = view.close
    return take


def wait(done: int, total: int, *, state: str = "succeeded", **more) -> ProgressEvent:
    return ProgressEvent(
        phase="wait", done=done, total=total, item=f"{done}.pdf", state=state, **more
    )


def test_rates_and_the_time_left_come_from_the_last_half_minute(totals, time):
    totals.take(ProgressEvent(phase="wait", done=0, total=1000))
    for done in range(1, 101):  # ten a second, then one a second
        time.now += 0.1
        totals.take(wait(done, 1000))
    assert summary(totals) == "0:00:10 stored 100/1,000, 900 in flight, 10/s, 0:01:30 left"
    for done in range(101, 201):
        time.now += 1
        totals.take(wait(done, 1000))
    assert summary(totals) == "0:01:50 stored 200/1,000, 800 in flight, 1.0/s, 0:13:20 left"


def test_phases_that_run_at_once_are_one_line_and_the_slowest_says_how_long(totals, time):
    totals.take(ProgressEvent(phase="wait", done=0, total=50))
    totals.take(ProgressEvent(phase="submit", done=0, total=50))
    time.now += 10
    refused = ProgressEvent(
        phase="submit", done=50, total=50, item="x", state="failed", code="REFUSED"
    )
    totals.take(refused)
    totals.take(wait(10, 50))
    totals.take(ProgressEvent(phase="fetch", done=0, total=10))
    assert summary(totals) == (
        "0:00:10 sent 49/50, stored 10/50, fetched 0/50, 39 in flight, 1 failed, 1.0/s,"
        " 0:00:40 left"
    )


def test_fetching_ends_with_the_results_there_are(totals, time):
    totals.take(ProgressEvent(phase="fetch", done=2, total=2, item="a", state="fetched"))
    totals.take(ProgressEvent(phase="wait", done=2, total=3, failed=0, in_flight=1))
    assert summary(totals) == "0:00:00 stored 2/3, fetched 2/3, 1 in flight"
    totals.take(ProgressEvent(phase="wait", done=3, total=3, failed=1, in_flight=0))
    assert summary(totals) == "0:00:00 stored 2/3, fetched 2/2, 1 failed"


def test_what_was_refused_is_counted_once(totals):
    refused = {"item": "x", "state": "failed", "code": "REFUSED"}
    totals.take(ProgressEvent(phase="submit", done=2, total=2, **refused))
    totals.take(ProgressEvent(phase="wait", done=1, total=2, failed=1, in_flight=1))
    assert summary(totals) == "0:00:00 sent 1/2, stored 0/2, 1 in flight, 1 failed"


def test_a_hundred_thousand_results_are_a_handful_of_lines(lines, stream, time):
    for done in range(1, 100_001):
        time.now += 0.001
        lines(wait(done, 100_000))
    lines.close()
    said = stream.getvalue().splitlines()
    assert (
        len(said) == 15
    )  # after one second, every 5 seconds in the first minute, then every 30, and the end
    assert said[-1] == "0:01:40 stored 100,000/100,000"


def test_a_large_plan_is_a_line_now_and_then(capsys):
    progress = told_plan(as_json=False)
    event = ProgressEvent(phase="plan", done=1_000, total=9_000)

    def said():
        progress(event)
        return capsys.readouterr().err

    assert said() == ""  # not in the first second
    assert until(said, "a line").endswith("planned 1,000/9,000\n")


def test_problems_are_grouped_by_kind(lines, stream):
    for done in range(1, 1001):
        lines(wait(done, 1000, state="failed", code="INVALID_INPUT", note="pages: none"))
    lines(wait(1000, 1000, state="expired", code="EXPIRED", note="waited too long"))
    lines.close()
    said = stream.getvalue().splitlines()
    assert said == [
        "wait: 1.pdf: failed (INVALID_INPUT): pages: none",
        "wait: 2.pdf: failed (INVALID_INPUT): pages: none",
        "wait: 3.pdf: failed (INVALID_INPUT): pages: none",
        "wait: 1000.pdf: expired (EXPIRED): waited too long",
        "and 997 more failed (INVALID_INPUT)",
        "0:00:00 stored 0/1,000, 1,001 failed",
    ]


def test_what_was_canceled_on_purpose_is_no_problem(lines, stream):
    lines(ProgressEvent(phase="cancel", done=1, total=1, item="a", state="canceled"))
    lines.close()
    assert stream.getvalue() == "0:00:00 canceled 1/1\n"


def test_what_was_canceled_has_neither_failed_nor_succeeded(totals):
    totals.take(ProgressEvent(phase="fetch", done=1, total=1, item="a", state="fetched"))
    totals.take(wait(2, 3, state="canceled", code="CANCELED"))
    assert summary(totals) == "0:00:00 stored 1/3, fetched 1/2, 1 in flight, 1 canceled"
    totals.take(ProgressEvent(phase="wait", done=3, total=3, failed=1, canceled=1, in_flight=0))
    assert summary(totals) == "0:00:00 stored 1/3, fetched 1/1, 1 failed, 1 canceled"


def test_trouble_of_the_service_is_told_at_once(lines, stream):
    lines(ProgressEvent(phase="wait", done=0, total=3, note="no answer; still watching the bucket"))
    assert stream.getvalue() == "wait: no answer; still watching the bucket\n"


def test_a_name_cannot_move_the_cursor(lines, stream):
    event = ProgressEvent(
        phase="fetch", done=1, total=1, item="\x1b[2Jx\n", state="failed", note="\x07"
    )
    lines(event)
    assert stream.getvalue() == "fetch: \\x1b[2Jx\\n: failed: \\x07\n"


def test_json_lines_say_the_same_to_a_program(totals, stream, time):
    view = Lines(totals, stream, AS_JSON)
    failed = wait(5, 20, state="failed", code="INVALID_INPUT", note="pages: none")
    totals.take(ProgressEvent(phase="wait", done=0, total=20))
    time.now += 2
    assert totals.take(failed)
    view.show(failed)
    view.tick()
    problem, progress = map(json.loads, stream.getvalue().splitlines())
    assert problem == {
        "event": "problem",
        "phase": "wait",
        "item": "5.pdf",
        "state": "failed",
        "code": "INVALID_INPUT",
        "message": "pages: none",
    }
    assert progress == {
        "event": "progress",
        "seconds": 2.0,
        "stored": {"done": 4, "total": 20},
        "in_flight": 15,
        "failed": 1,
        "problems": {"failed (INVALID_INPUT)": 1},
        "rate": 2.5,
        "seconds_left": 6.0,
    }


def test_without_a_terminal_there_are_no_colours_and_no_bars(capsys):
    with shown_progress(as_json=False) as progress:
        progress(wait(1, 1))
    assert re.fullmatch(r"0:00:0\d stored 1/1\n", capsys.readouterr().err)


def test_whoever_stops_reading_stops_nothing(totals):
    closed = io.StringIO()
    closed.close()
    view = Lines(totals, closed, AS_TEXT)
    totals.take(wait(1, 1))
    view.show(wait(1, 1, state="failed"))
    view.close()


def test_the_answer_names_some_of_each_kind_and_counts_the_rest():
    problems = [("failed (INVALID_INPUT)", f"{n}.pdf: bad") for n in range(100_000)]
    lines = list(grouped_lines([*problems, ("expired (EXPIRED)", "z.pdf: late")]))
    assert lines[:5] == [f"{n}.pdf: bad" for n in range(5)]
    assert lines[5:] == ["and 99,995 more failed (INVALID_INPUT); --json lists all", "z.pdf: late"]
