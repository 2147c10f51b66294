"""What a job has given: fetch, index."""

import os

import typer

from scripts.client import exit_codes, opening, rendering
from scripts.client.fetching import fetch as fetch_results
from scripts.client.index_rendering import index_document, index_lines
from scripts.client.indexing import index as index_job
from scripts.client.options import Fetching, expanded
from scripts.client.progress_display import shown_progress
from scripts.client.settings import Overrides, read_settings
from scripts.commands.answering import JobName, Json, Target, answer, finish

app = typer.Typer()


@app.command("fetch", epilog=exit_codes.EXPLANATION)
@expanded
def fetch(
    connection: Overrides, job: JobName, to: Target, fetching: Fetching, as_json: Json = False
) -> None:
    """Bring the job's results here, verified. Needs the bucket alone; brings only what is new."""
    settings, selection = read_settings(connection, os.environ), fetching.selection()
    with shown_progress(as_json=as_json) as progress:
        report = fetch_results(
            job,
            to,
            bucket=opening.bucket(settings),
            naming=opening.naming(settings),
            selection=selection,
            digests=opening.known_digests(settings, job),
            progress=progress,
        )
    answer(as_json, rendering.fetch_document(report), rendering.fetch_lines(report, to=str(to)))
    finish(failed=bool(report.problems) or not report.results)


@app.command("index", epilog=exit_codes.EXPLANATION)
@expanded
def index(connection: Overrides, job: JobName, as_json: Json = False) -> None:
    """Add the job's new results to Parquet files in the bucket, one row each."""
    settings = read_settings(connection, os.environ)
    report = index_job(job, bucket=opening.bucket(settings), naming=opening.naming(settings))
    answer(as_json, index_document(report), index_lines(report))
    finish(failed=bool(report.problems))
