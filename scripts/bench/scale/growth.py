"""What the companion's commands cost at 10,000, 100,000 and 1,000,000 results, as a table.

Each row is a process of its own against the synthetic S3: calls to the bucket, seconds, seconds of
CPU, and the largest resident set. One that takes longer than the limit is ended.
"""

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from .. import PROJECT
from ..measuring import TimedRun, watched
from . import steps
from .synthetic_job import AGE_SECONDS, SyntheticJob, now
from .synthetic_s3 import RunningS3, running_s3
from .synthetic_service import RunningService, running_service

_SIZES = (10_000, 100_000, 1_000_000)
_QUICK_SIZES = (1_000, 10_000)
_SENDING_SECONDS, _QUICK_SENDING_SECONDS = 20.0, 3.0
_ASK_SECONDS = 0.1
_HEAD = """| what | results | calls | seconds | CPU s | MiB | |
|---|--:|--:|--:|--:|--:|---|
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where the rows of one size are measured: the job's results are in the bucket."""

    job: SyntheticJob
    text: str
    directory: Path
    s3: RunningS3
    service: RunningService
    sending_seconds: float

    @property
    def took(self) -> Path:
        return self.directory / "took.json"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            **self.s3.environment,
            "AWS_DEFAULT_REGION": "us-east-1",
            "BASETEN_API_KEY": "bench",
            "OUTBOX_BASE_URL": self.service.base_url,
            "OUTBOX_HOME": str(self.directory / "home"),
            "OUTBOX_KEY_TEMPLATE": self.job.template,
            steps.TOOK: str(self.took),
        }

    def command(self, words: Sequence[str]) -> list[str]:
        """`{directory}` and the like are filled in; what begins with `step` is one of `steps`."""
        filled = [
            word.format(directory=self.directory, job=self.job.name, text=self.text)
            for word in words
        ]
        module = "outbox_client"
        if filled[0] == "step":
            module, filled = steps.__name__, filled[1:]
        return [sys.executable, "-m", module, *filled]

    def run(self, *words: str) -> None:
        """What a row needs, not measured."""
        watched(self.command(words), directory=PROJECT, environment=self.environment)

    def has(self, name: str, within: str) -> bool:
        """Whether a file of this name is anywhere in the folder of this name."""
        return any(True for _ in (self.directory / within).rglob(name))


def _nothing(_: Place) -> None:
    pass


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A command, and what is done for it before; with `until` it is ended when that is true.

    Rows go on where the one before has left the bucket and the journal. With more than `most`
    results it is left out.
    """

    title: str
    command: tuple[str, ...]
    prepare: Callable[[Place], None] = _nothing
    until: Callable[[Place], bool] | None = None
    note: Callable[[Place], str] = lambda _: ""
    most: int = 10**9


def _write_table(place: Place) -> None:
    steps.write_table(place.job, place.directory / "table.jsonl")


def _is_sending(place: Place) -> bool:
    return bool(place.service.submits().taken)


def _has_sent(place: Place) -> bool:
    taken = place.service.submits().taken
    return bool(taken) and (taken[-1] >= place.sending_seconds or len(taken) == place.job.count)


def _rate(place: Place) -> str:
    submits = place.service.submits()
    if len(submits.taken) < 2:
        return "nothing was sent"
    seconds = min(submits.taken[-1], place.sending_seconds)
    stall = submits.longest_gap(seconds)
    return f"{submits.rate(seconds):.0f} submits/s, worst stall {stall:.2f} s"


def _fill_journal(place: Place) -> None:
    place.s3.hide(place.job.name, steps.open_numbers(place.job))
    place.run("step", "fill-journal", "{text}")


def _end_open(place: Place) -> None:
    # In this order the last hundred have no results.
    place.s3.show(place.job.name, steps.open_numbers(place.job)[steps.LEFT :])
    place.run("step", "end-open", "{text}")


def _send_again(place: Place) -> None:
    place.run("step", "send-again", "{text}")


def _write_results(place: Place) -> None:
    steps.write_results(place.job, place.directory / "all")


def _remove_results(place: Place) -> None:
    """They take gigabytes."""
    place.s3.show(place.job.name, range(place.job.count))
    shutil.rmtree(place.directory / "all", ignore_errors=True)


def _make_index(place: Place) -> None:
    for numbers in steps.new_numbers(place.job):
        place.s3.hide(place.job.name, numbers)
    place.run("step", "make-index", "{text}")


def _show_ten(place: Place) -> None:
    place.s3.show(place.job.name, steps.new_numbers(place.job)[0])


def _show_hundredth(place: Place) -> None:
    place.s3.show(place.job.name, steps.new_numbers(place.job)[1])


_FETCH = ("fetch", "{job}", "--to")
ROWS = (
    Row(
        title="submit: until the first is sent",
        command=("submit", "{directory}/table.jsonl", "--job", "planned"),
        prepare=_write_table,
        until=_is_sending,
    ),
    Row(
        title="run, until 20 s after the first is sent",
        command=("run", "{directory}/table.jsonl", "--job", "run", "--to", "{directory}/run"),
        until=_has_sent,
        note=_rate,
    ),
    Row(title="look, 5,000 open", command=("step", "look", "{text}", "1"), prepare=_fill_journal),
    Row(title="the look after that", command=("step", "look", "{text}", "2")),
    Row(title="status", command=("status", "{job}")),
    Row(title="jobs", command=("jobs",)),
    Row(title="wait, all ended", command=("wait", "{job}"), prepare=_end_open),
    Row(title="resume, nothing left", command=("resume", "{job}")),
    Row(title="resume, 100 left", command=("resume", "{job}"), prepare=_send_again),
    Row(
        title="fetch: until the first is here",
        command=(*_FETCH, "{directory}/first"),
        until=lambda place: place.has("manifest.json", "first"),
    ),
    Row(title="fetch 10", command=(*_FETCH, "{directory}/ten", "--include", "000001?.pdf")),
    Row(
        title="fetch again",
        command=(*_FETCH, "{directory}/all"),
        prepare=_write_results,
        most=100_000,
    ),
    Row(title="index", command=("index", "{job}"), prepare=_remove_results),
    Row(title="index, made elsewhere", command=("index", "{job}"), prepare=_make_index),
    Row(
        title="results, 10 new",
        command=("step", "results", "{text}", "10"),
        prepare=_show_ten,
    ),
    Row(title="index, 1 % new", command=("index", "{job}"), prepare=_show_hundredth),
    Row(title="report", command=("report", "{job}", "--to", "{directory}/report.html")),
    Row(title="sweep", command=("sweep", "--older-than", "24h")),
)


def measure(*arguments: str) -> str:
    """The table; a line to stderr as each row is measured."""
    options = _options(arguments)
    lines = [_HEAD]
    for size in options.sizes or (_QUICK_SIZES if options.quick else _SIZES):
        with _place(options, size) as place:
            for row in ROWS:
                if size <= row.most:
                    row.prepare(place)
                    if options.only in row.title:
                        lines.append(_line(place, row, options.limit))
    return "".join(lines)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench scale", description=__doc__)
    parser.add_argument("sizes", nargs="*", type=_size, help="such as 10000 or 1e6")
    parser.add_argument("--quick", action="store_true", help="1,000 and 10,000 results")
    parser.add_argument("--latency", type=float, default=0.02, help="seconds of each call")
    parser.add_argument("--bits-per-second", type=float, default=0.0, help="each way, in all")
    parser.add_argument("--only", default="", help="rows with this in their title")
    parser.add_argument("--teams", type=int, default=0, help="a folder of the keys for each")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds that a row may take")
    return parser.parse_args(arguments)


def _size(text: str) -> int:
    return int(float(text))


@contextmanager
def _place(options: argparse.Namespace, size: int) -> Iterator[Place]:
    began = now() - AGE_SECONDS  # the same for the server and the steps
    text = f"march={size},failed=0.01,teams={options.teams},began={began}"
    way = (f"--latency={options.latency}", f"--bits-per-second={options.bits_per_second}")
    with ExitStack() as stack:
        yield Place(
            job=SyntheticJob.parse(text),
            text=text,
            directory=Path(stack.enter_context(TemporaryDirectory())),
            s3=stack.enter_context(running_s3(f"--job={text}", "--render", *way)),
            service=stack.enter_context(running_service(f"--latency={options.latency}")),
            sending_seconds=_QUICK_SENDING_SECONDS if options.quick else _SENDING_SECONDS,
        )


def _line(place: Place, row: Row, limit_seconds: float) -> str:
    run = _measured(place, row, limit_seconds)
    calls = place.s3.counted()["all"]
    took: dict[str, Any] = json.loads(place.took.read_text()) if place.took.exists() else {}
    seconds = f"> {limit_seconds:g}" if run.is_over else f"{took.get('seconds', run.seconds):.2f}"
    cpu_seconds = took.get("cpu_seconds", run.cpu_seconds)
    cells = [row.title, f"{place.job.count:,}", f"{calls:,}", seconds, f"{cpu_seconds:.2f}"]
    line = f"| {' | '.join(cells)} | {run.peak:.0f} | {row.note(place)} |\n"
    sys.stderr.write(line)
    return line


def _measured(place: Place, row: Row, limit_seconds: float) -> TimedRun:
    place.took.unlink(missing_ok=True)
    place.s3.reset()
    place.service.reset()
    asked_at = 0.0

    def until() -> bool:
        nonlocal asked_at
        if row.until is None or time.monotonic() - asked_at < _ASK_SECONDS:
            return False
        asked_at = time.monotonic()
        return row.until(place)

    return watched(
        place.command(row.command),
        directory=PROJECT,
        environment=place.environment,
        until=until,
        limit_seconds=limit_seconds,
        good=(0, 1),  # 1: some of the job's requests failed
    )
