"""A job that was sent: wait, status, cancel, jobs; and of its results index and report."""

import json
import os
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.keys import short_segment
from truss_outbox.contract.text import printable

from .. import opening
from ..bucket.bucket import Bucket
from ..bucket.foreign import ForeignObjects
from ..clock import SYSTEM_CLOCK
from ..engines.indexing import RANGES_PER_WORKER, index_by
from ..engines.open_engine import EngineName, open_engine
from ..engines.ranges import ranges
from ..errors import UnknownJobError
from ..following.cancel import cancel as cancel_job
from ..following.status import StatusReader
from ..following.tracker import wait as wait_for
from ..indexing.build import IndexReport
from ..indexing.build import index as index_job
from ..indexing.told import index_told
from ..journal.journal import list_jobs
from ..queues.events import followed
from ..settings import (
    BucketOverrides,
    ClientSettings,
    ResultOverrides,
    ServiceOverrides,
    option,
    read_settings,
    state_directory,
)
from ..submissions.publishing import publish_rest
from ..text import counted
from .answers.followed import (
    account_answer,
    account_lines,
    cancellation_document,
    cancellation_lines,
    event_document,
    event_line,
    index_lines,
    jobs_document,
    jobs_lines,
    status_document,
    status_lines,
)
from .answers.printing import answer, foreign_document, json_text, say
from .options import QUEUE_HELP, Items, JobName, Json, OptionalJob, QueueUrl, Timeout, command
from .progress.display import redrawn, service_told_once, shown_progress, told_once

app = typer.Typer()

Watched = Annotated[bool, typer.Option("--watch", help="Again and again, until the job ends.")]


@command(app, "wait")
def wait(
    bucket: ResultOverrides,
    service: ServiceOverrides,
    job: JobName,
    foreign: ForeignObjects,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Wait until the end of every item of the job is known."""
    settings = read_settings(bucket, service)
    in_bucket = opening.bucket(settings, foreign, on_wait=told_once(as_json=as_json))
    with (
        opening.known_job(settings, job, in_bucket) as journal,
        opening.deployment(settings, in_bucket=in_bucket) as deployment,
    ):
        with shown_progress(as_json=as_json) as progress:
            account = wait_for(
                journal, deployment=deployment, timeout_seconds=timeout, progress=progress
            )
        document = account_answer(account, now=SYSTEM_CLOCK.now())
        lines = account_lines(account)
        failed = not account.succeeded or journal.publication.unlisted_elsewhere() > 0
        answer(as_json, document, lines, failed=failed, foreign=foreign)


@command(app, "status")
def status(
    bucket: ResultOverrides,
    service: ServiceOverrides,
    job: JobName,
    foreign: ForeignObjects,
    watch: Watched = False,
    as_json: Json = False,
) -> None:
    """Show counts, rate, time left, the queue, and failures by their codes."""
    settings = read_settings(bucket, service)
    in_bucket = opening.bucket(settings, foreign, on_wait=told_once(as_json=as_json))
    with (
        opening.known_job(settings, job, in_bucket) as journal,
        opening.deployment(settings, in_bucket=in_bucket) as deployment,
        redrawn(in_place=watch and not as_json) as show,
    ):
        reader = StatusReader(journal, deployment=deployment)
        for found in reader.until_end() if watch else [reader.read()]:
            document = status_document(found) | foreign_document(foreign)
            lines = status_lines(found)
            show(json_text(document) if as_json else "\n".join(lines))


@command(app, "cancel")
def cancel(
    bucket: BucketOverrides,
    service: ServiceOverrides,
    job: JobName,
    items: Items = None,
    as_json: Json = False,
) -> None:
    """Cancel what is planned or queued; what runs already goes on."""
    settings = read_settings(bucket, service)
    in_bucket = opening.bucket(settings, on_wait=told_once(as_json=as_json))
    with (
        opening.known_job(settings, job, in_bucket) as journal,
        opening.service(settings, on_wait=service_told_once(as_json=as_json)) as api,
        shown_progress(as_json=as_json) as progress,
    ):
        cancellation = cancel_job(journal, items or (), api=api, progress=progress)
        publish_rest(journal, in_bucket, clock=SYSTEM_CLOCK)
        nothing = not (cancellation.canceled or cancellation.too_late)
        reason = f"nothing waits or runs: {counted(journal.counts())}" if nothing else ""
    document = cancellation_document(job, cancellation)
    answer(as_json, document, cancellation_lines(cancellation), reason=reason)


@command(app, "jobs")
def jobs(as_json: Json = False) -> None:
    """List the jobs submitted from this machine."""
    found, damaged = list_jobs(state_directory(os.environ))
    if not as_json:
        for one in damaged:
            say(f"passed over: {printable(one.path)}: {printable(one.problem)}", err=True)
    answer(as_json, jobs_document(found, damaged), jobs_lines(found))


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineOptions:
    """By whom many results are read."""

    engine: EngineName | None = option(None, "Let an engine's workers do it.")
    address: str | None = option(
        None, "Of its cluster; without one, it is started on this machine.", metavar="URL"
    )
    ranges: int | None = option(
        None, "In how many parts; else four for each worker.", min=1, max=100_000
    )
    inventory: str | None = option(
        None,
        "An inventory report's manifest.json, to find the parts by instead of a listing.",
        metavar="URL",
    )

    def index(
        self, name: EngineName, job: str, settings: ClientSettings, bucket: Bucket
    ) -> IndexReport:
        with open_engine(name, self.address) as engine:
            some = ranges(
                settings.require_root(),
                job,
                self.ranges or RANGES_PER_WORKER * engine.workers,
                inventory=self.inventory,
                key_template=settings.template.text,
                workers=settings.workers,
                **settings.connection,
            )
            return index_by(engine, job, some, bucket=bucket)


@command(app, "index")
def index(
    where: ResultOverrides,
    engine: EngineOptions,
    foreign: ForeignObjects,
    job: OptionalJob = None,
    queue: QueueUrl = None,
    as_json: Json = False,
) -> None:
    """Add the job's new results to Parquet files in the bucket, one row each.

    With --queue, those that the queue tells of, of any job: nothing is listed. With --engine, by
    many workers.
    """
    settings = read_settings(where)
    bucket = opening.bucket(settings, foreign, on_wait=told_once(as_json=as_json))
    if queue is not None and job is None:
        _index_told(queue, bucket, settings.home, as_json=as_json, foreign=foreign)
        return
    if job is None or queue is not None:
        raise InvalidInputError("JOB", "or --queue: name one of them, not both")
    naming = opening.result_naming(settings)
    if engine.engine is None:
        report = index_job(job, bucket=bucket, naming=naming, home=settings.home)
    else:
        report = engine.index(engine.engine, job, settings, bucket)
    lines, failed = index_lines(report), bool(report.problems)
    found = report.added or report.known or report.problems
    reason = "" if found else opening.why_no_result(settings, job)
    document = asdict(report)
    answer(as_json, document, lines, failed=failed, reason=reason, foreign=foreign)


def _index_told(
    queue: str, bucket: Bucket, home: Path, *, as_json: bool, foreign: ForeignObjects
) -> None:
    reports = list(index_told(queue, bucket=bucket, home=home))
    document = {"queue": queue, "jobs": [asdict(one) for one in reports]}
    lines = [line for one in reports for line in index_lines(one)]
    failed = any(one.problems for one in reports)
    reason = "" if reports else "the queue tells of no result now"
    answer(as_json, document, lines, failed=failed, reason=reason, foreign=foreign)


Idle = Annotated[
    float | None, typer.Option(min=0, help="End after so many seconds without a message.")
]


@command(app, "follow")
def follow(
    where: BucketOverrides,
    queue: Annotated[str, typer.Option("--queue", metavar="URL", help=QUEUE_HELP)],
    foreign: ForeignObjects,
    idle: Idle = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="A JSON document a line, for each event.")
    ] = False,
) -> None:
    """Tell of each result and failure once, as a queue hears of it from the bucket.

    Until it is interrupted, or for as long as --idle says. An event whose line was written is
    acknowledged.
    """
    settings = read_settings(where)
    bucket = opening.bucket(settings, foreign, on_wait=told_once(as_json=as_json))
    for event in followed(queue, bucket, home=settings.home, idle_seconds=idle):
        say(json.dumps(event_document(event)) if as_json else event_line(event))
        sys.stdout.flush()


ReportPage = Annotated[
    Path | None, typer.Option("--to", metavar="FILE", help="Where to; else JOB.html, here.")
]


@command(app, "report")
def report(
    where: ResultOverrides,
    job: JobName,
    foreign: ForeignObjects,
    to: ReportPage = None,
    as_json: Json = False,
) -> None:
    """Write the job's report: one HTML page that opens without a network.

    Counts, how long each step took, failures with what to do about them, small pictures of
    pages. It needs the bucket alone.
    """
    from .. import report as reports  # noqa: PLC0415  # Jinja, Pillow: 0.1 seconds

    settings = read_settings(where)
    bucket = opening.bucket(settings, foreign, on_wait=told_once(as_json=as_json))
    naming = opening.result_naming(settings)
    with shown_progress(as_json=as_json) as progress:
        try:
            seen = reports.survey(
                job, bucket=bucket, naming=naming, progress=progress, home=settings.home
            )
        except UnknownJobError as error:
            raise UnknownJobError(opening.why_no_result(settings, job)) from error
        pictures = reports.thumbnails(seen.sample, bucket=bucket)
    path = to or Path(f"{short_segment(job)}.html")
    reports.write(path, reports.page(seen, pictures, now=datetime.now(UTC)))
    document = reports.document(seen) | {"page": str(path), "pictures": len(pictures)}
    lines = [*reports.lines(seen), printable(str(path))]
    answer(as_json, document, lines, foreign=foreign)
