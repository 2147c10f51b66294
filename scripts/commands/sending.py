"""Sending a job: submit, and run, which also waits and fetches."""

import os
from pathlib import Path
from typing import Annotated

import typer

from scripts.client import exit_codes, rendering, steps
from scripts.client.options import Sending, expanded
from scripts.client.progress_display import shown_progress
from scripts.client.settings import Overrides, read_settings
from scripts.commands.answering import Json, Target, Timeout, answer, any_failed, finish

app = typer.Typer()

Paths = Annotated[
    list[Path], typer.Argument(metavar="PATH...", help="Files, and folders of files.")
]


@app.command("submit", epilog=exit_codes.EXPLANATION)
@expanded
def submit(
    connection: Overrides,
    paths: Paths,
    sending: Sending,
    as_json: Json = False,
) -> None:
    """Send documents. Sending a job again is harmless: each result is made once."""
    settings, batch = read_settings(connection, os.environ), sending.batch()
    with shown_progress(as_json=as_json) as progress:
        submission = steps.submit(settings, paths, batch, progress)
    document = rendering.submission_document(submission)
    answer(as_json, document, rendering.submission_lines(submission))
    finish(failed=bool(submission.refused))


@app.command("run", epilog=exit_codes.EXPLANATION)
@expanded
def run(
    connection: Overrides,
    paths: Paths,
    to: Target,
    sending: Sending,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Submit, wait, fetch."""
    settings, batch = read_settings(connection, os.environ), sending.batch()
    with shown_progress(as_json=as_json) as progress:
        sent = steps.submit(settings, paths, batch, progress).items
        entries = steps.wait(settings, batch.job, timeout, progress)
        report = steps.fetch(settings, batch.job, to, progress)
    entries = [entry for entry in entries if entry.item in sent]
    document = rendering.entries_document(batch.job, entries) | rendering.fetch_document(report)
    lines = rendering.entries_lines(batch.job, entries) + rendering.fetch_lines(report, to=str(to))
    answer(as_json, document, lines)
    finish(failed=any_failed(entries) or bool(report.problems))
