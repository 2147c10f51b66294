"""A job's results on this machine: fetch, apart from what it does not need to start."""

import typer

from .. import opening
from ..bucket.foreign import ForeignObjects
from ..fetching.fetch import fetch as fetch_results
from ..settings import ResultOverrides, read_settings
from . import answers
from .options import FetchOptions, JobName, Json, Target, command
from .progress.display import shown_progress, told_once

app = typer.Typer()


@command(app, "fetch")
def fetch(
    where: ResultOverrides,
    job: JobName,
    to: Target,
    fetching: FetchOptions,
    foreign: ForeignObjects,
    as_json: Json = False,
) -> None:
    """Bring the job's results here, verified. Needs the bucket alone; brings only what is new."""
    settings, selection = read_settings(where), fetching.selection()
    with (
        shown_progress(as_json=as_json) as progress,
        opening.known_digests(settings, job) as digest_of,
    ):
        report = fetch_results(
            job,
            to,
            bucket=opening.bucket(settings, foreign, on_wait=told_once(as_json=as_json)),
            naming=opening.result_naming(settings),
            selection=selection,
            digest_of=digest_of,
            progress=progress,
        )
    document, lines = answers.fetch_document(report), answers.fetch_lines(report, to=str(to))
    reason = "" if report.results else opening.why_no_result(settings, job)
    failed = bool(report.problems or reason)
    answers.answer(as_json, document, lines, failed=failed, reason=reason, foreign=foreign)
