"""Sending a job: submit."""

import os
from pathlib import Path
from typing import Annotated

import typer

from scripts.client import exit_codes, rendering, steps
from scripts.client.options import Sending, expanded
from scripts.client.progress_display import shown_progress
from scripts.client.settings import Overrides, read_settings
from scripts.commands.answering import Json, answer, finish

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
    with shown_progress(quiet=as_json) as progress:
        submission = steps.submit(settings, paths, batch, progress)
    document = rendering.submission_document(submission)
    answer(as_json, document, rendering.submission_lines(submission))
    finish(failed=bool(submission.refused))
