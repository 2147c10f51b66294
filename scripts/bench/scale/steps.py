"""What the growth table needs beside the companion's commands, each in a process of its own.

`python -m scripts.bench.scale.steps STEP JOB` with a job as the synthetic server takes it; the
bucket, the service and the journal's home are the environment's. A step that measures itself, as
its start is nobody's wait, writes what it took into the file that `BENCH_TOOK` names.
"""

import itertools
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from outbox_client import Batch, Item, Journal, opening, read_settings, results
from outbox_client.following.tracker import Tracker
from outbox_client.indexing import format as index_format
from outbox_client.indexing.build import PART_ROWS
from outbox_client.indexing.parts import IndexParts
from outbox_client.journal.entries import Accepted, Begun, Settlement, planned_row
from outbox_client.journal.states import State
from truss_outbox.contract.manifest import Manifest

from .serving import ask
from .synthetic_job import DIGEST, SyntheticJob

TOOK = "BENCH_TOOK"
OPEN = 5_000
LEFT = 100
_AN_HOUR = 3600.0
_CURSOR = "cursor"


def open_numbers(job: SyntheticJob) -> range:
    """Of the requests that have not ended: neighbours, as what was sent last mostly is."""
    count = min(OPEN, job.count // 2)
    first = (job.count - count) // 2
    return range(first, first + count)


def left_numbers(job: SyntheticJob) -> range:
    """Of these, those that are to be sent again."""
    return open_numbers(job)[:LEFT]


def new_numbers(job: SyntheticJob) -> tuple[range, range]:
    """What is stored after the index was made: ten results, and then one in a hundred.

    In steps that lead through all teams.
    """
    return range(7, job.count, job.count // 10 + 1), range(0, job.count, 101)


def write_table(job: SyntheticJob, path: Path) -> None:
    """As many rows as the job has requests, for `outbox submit`."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(job.count):
            row = {"item": job.item(number), "labels": job.labels(number), "text": "a few words"}
            file.write(f"{json.dumps(row)}\n")


def write_results(job: SyntheticJob, directory: Path) -> None:
    """All results of the job, as `outbox fetch` leaves them."""
    for position in _stored(job):
        folder = directory / job.key(position).removeprefix(f"job={job.name}/")
        folder.mkdir(parents=True)
        data = job.manifest(position)
        (artifact,) = Manifest.from_bytes(data).artifacts
        (folder / artifact.name).write_bytes(b"".join(job.artifact(position, 0, job.size)))
        (folder / "manifest.json").write_bytes(data)


def fill_journal(job: SyntheticJob) -> None:
    """Every request was sent and has ended, but those of `open_numbers`, sent just now."""
    settings = read_settings()
    waiting = open_numbers(job)
    ended = [number for number in range(job.count) if number not in waiting]
    with opening.journal(settings, job.name, create=True) as journal:
        batch = Batch(job=job.name)
        journal.plan(batch, (_planned(job, number) for number in range(job.count)))
        _send(journal, job, ended, submitted_at=time.time() - _AN_HOUR)
        journal.settle(*(_end(job, number) for number in ended))
        _send(journal, job, waiting, submitted_at=time.time())


def end_open(job: SyntheticJob) -> None:
    """The open requests have ended: those of `left_numbers` failed, and may be sent again."""
    left = left_numbers(job)
    with opening.journal(read_settings(), job.name) as journal:
        for number in open_numbers(job):
            end = _end(job, number)
            if number in left:
                end = replace(end, state=State.FAILED, code="INFERENCE_ERROR", retryable=True)
            journal.settle(end)


def send_again(job: SyntheticJob) -> None:
    """Those of `left_numbers` are planned."""
    with opening.journal(read_settings(), job.name) as journal:
        journal.plan_retryable_again()


def look(job: SyntheticJob, count: int) -> None:
    """The last of so many looks is measured."""
    settings = read_settings()
    with (
        opening.journal(settings, job.name) as journal,
        opening.deployment(settings) as deployment,
    ):
        tracker = Tracker(journal, deployment=deployment)
        for _ in range(count - 1):
            tracker.look()
        with _measured():
            tracker.look()


def make_index(job: SyntheticJob) -> None:
    """The job's index, without the results of `new_numbers`; and the cursor of its end."""
    settings, new = read_settings(), itertools.chain(*new_numbers(job))
    absent = set(map(job.position, new))
    bucket = opening.bucket(settings)
    for key in list(bucket.keys("index/")):
        bucket.delete(key)
    parts = IndexParts.of(bucket, job.name)
    indexed = (position for position in _stored(job) if position not in absent)
    model = index_format.row(Manifest.from_bytes(job.manifest(0)))
    for number in itertools.count():
        rows = [_row(job, position, model) for position in itertools.islice(indexed, PART_ROWS)]
        if not rows:
            return
        part_id = secrets.token_hex(4)
        table = index_format.table(rows)
        parts.create(number, index_format.encoded(table, job=job.name, part_id=part_id))
        Path(settings.home, _CURSOR).write_text(f"{number}.{part_id}.{len(rows)}")


def take_results(job: SyntheticJob, expected: int) -> None:
    """All since the cursor of the index's end; raises SystemExit where it is not so many."""
    settings = read_settings()
    cursor = (settings.home / _CURSOR).read_text()
    with _measured():
        found = list(
            results(
                settings.require_root(),
                job.name,
                since=cursor,
                key_template=job.template,
                **settings.connection,
            )
        )
    if len(found) != expected:
        raise SystemExit(f"{len(found)} results instead of {expected}")


def _stored(job: SyntheticJob) -> Iterator[int]:
    return (position for position in range(job.count) if not job.has_failed(position))


def _planned(job: SyntheticJob, number: int) -> dict[str, object]:
    item = Item(
        name=job.item(number),
        inputs={"text": "a few words"},
        labels=job.labels(number),
        size=0,
        place="a row",
    )
    return planned_row(item, job.key(job.position(number)))


def _send(
    journal: Journal, job: SyntheticJob, numbers: Sequence[int], *, submitted_at: float
) -> None:
    def key(number: int) -> str:
        return job.key(job.position(number))

    journal.begin_submits(
        Begun(item=job.item(one), key=key(one), digest=DIGEST, size=1, submitted_at=submitted_at)
        for one in numbers
    )
    journal.end_submits(
        Accepted(item=job.item(one), key=key(one), request_id=job.request_id(one))
        for one in numbers
    )


def _end(job: SyntheticJob, number: int) -> Settlement:
    has_failed = job.has_failed(job.position(number))
    return Settlement(
        item=job.item(number),
        state=State.FAILED if has_failed else State.SUCCEEDED,
        request_id=job.request_id(number),
        code="INVALID_INPUT" if has_failed else None,
        message="document: it cannot be read; send a PDF" if has_failed else None,
        retryable=False if has_failed else None,
        ended_at=time.time(),
    )


def _row(job: SyntheticJob, position: int, model: dict[str, object]) -> dict[str, object]:
    """As `index_format.row` of the manifest, for a fifth of the time."""
    manifest = json.loads(job.manifest(position))
    names = ("key", "item", "request_id", "attempt", "artifacts")
    return (
        model
        | {name: manifest[name] for name in names}
        | {
            "labels": list(manifest["labels"].items()),
            "result": json.dumps(manifest["result"]),
        }
    )


@contextmanager
def _measured() -> Iterator[None]:
    """The bucket's calls are counted from here on."""
    ask("DELETE", f"{os.environ['OUTBOX_ENDPOINT_URL']}/-/calls")
    seconds, cpu_seconds = time.perf_counter(), time.process_time()
    yield
    took = {
        "seconds": time.perf_counter() - seconds,
        "cpu_seconds": time.process_time() - cpu_seconds,
    }
    Path(os.environ[TOOK]).write_text(json.dumps(took))


_STEPS: dict[str, Callable[..., None]] = {
    "fill-journal": fill_journal,
    "end-open": end_open,
    "send-again": send_again,
    "look": lambda job, count: look(job, int(count)),
    "make-index": make_index,
    "results": lambda job, count: take_results(job, int(count)),
}

if __name__ == "__main__":
    step, text, *rest = sys.argv[1:]
    _STEPS[step](SyntheticJob.parse(text), *rest)
