"""What a job has given: fetch, index."""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from truss_outbox.contract.keys import escape

from .. import opening
from ..fetching.fetch import fetch as fetch_results
from ..indexing.build import index as index_job
from ..settings import ResultOverrides, read_settings
from ..text import printable
from . import answers
from .options import FetchOptions, JobName, Json, Target, command
from .progress.display import shown_progress

app = typer.Typer()


@command(app, "fetch")
def fetch(
    where: ResultOverrides,
    job: JobName,
    to: Target,
    fetching: FetchOptions,
    as_json: Json = False,
) -> None:
    """Bring the job's results here, verified. Needs the bucket alone; brings only what is new."""
    settings, selection = read_settings(where), fetching.selection()
    with shown_progress(as_json=as_json) as progress:
        report = fetch_results(
            job,
            to,
            bucket=opening.bucket(settings),
            naming=opening.result_naming(settings),
            selection=selection,
            digests=opening.known_digests(settings, job),
            progress=progress,
        )
    document, lines = answers.fetch_document(report), answers.fetch_lines(report, to=str(to))
    failed = bool(report.problems) or not report.results
    answers.answer(as_json, document, lines, failed=failed)


@command(app, "index")
def index(where: ResultOverrides, job: JobName, as_json: Json = False) -> None:
    """Add the job's new results to Parquet files in the bucket, one row each."""
    settings = read_settings(where)
    report = index_job(job, bucket=opening.bucket(settings), naming=opening.result_naming(settings))
    lines = answers.index_lines(report)
    answers.answer(as_json, asdict(report), lines, failed=bool(report.problems))


ReportPage = Annotated[
    Path | None, typer.Option("--to", metavar="FILE", help="Where to; else JOB.html, here.")
]


@command(app, "report")
def report(
    where: ResultOverrides, job: JobName, to: ReportPage = None, as_json: Json = False
) -> None:
    """Write the job's report: one HTML page that opens without a network.

    Counts, how long each step took, failures with what to do about them, small pictures of
    pages. It needs the bucket alone.
    """
    from .. import report as reports  # noqa: PLC0415  # Jinja, Pillow: 0.1 seconds

    settings = read_settings(where)
    bucket, naming = opening.bucket(settings), opening.result_naming(settings)
    with shown_progress(as_json=as_json) as progress:
        seen = reports.survey(job, bucket=bucket, naming=naming, progress=progress)
        pictures = reports.thumbnails(seen.sample, bucket=bucket)
    path = to or Path(f"{escape(job)}.html")
    reports.write(path, reports.page(seen, pictures, now=datetime.now(UTC)))
    document = reports.document(seen) | {"page": str(path), "pictures": len(pictures)}
    answers.answer(as_json, document, [*reports.lines(seen), printable(str(path))])
