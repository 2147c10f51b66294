"""What a job has given: fetch."""

import os

import typer

from scripts.client import exit_codes, rendering, steps
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
    with shown_progress(quiet=as_json) as progress:
        report = steps.fetch(settings, job, to, progress, selection)
    answer(as_json, rendering.fetch_document(report), rendering.fetch_lines(report, to=str(to)))
    finish(failed=bool(report.problems) or not report.results)
