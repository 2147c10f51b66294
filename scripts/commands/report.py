"""A job on one page: report."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from model.artifacts.keys import escape
from scripts.client import exit_codes, opening, rendering
from scripts.client.options import expanded
from scripts.client.progress_display import shown_progress
from scripts.client.settings import Overrides, read_settings
from scripts.commands.answering import JobName, Json, answer

app = typer.Typer()

Page = Annotated[
    Path | None, typer.Option("--to", metavar="FILE", help="Where to; else JOB.html, here.")
]


@app.command("report", epilog=exit_codes.EXPLANATION)
@expanded
def report(connection: Overrides, job: JobName, to: Page = None, as_json: Json = False) -> None:
    """Write the job's report: one HTML page that opens without a network.

    Counts, how long each step took, failures with what to do about them, small pictures of
    pages. It needs the bucket alone.
    """
    from scripts.client import report as reports  # noqa: PLC0415  # Jinja, Pillow: 0.1 seconds

    settings = read_settings(connection, os.environ)
    bucket, naming = opening.bucket(settings), opening.naming(settings)
    with shown_progress(as_json=as_json) as progress:
        seen = reports.survey(job, bucket=bucket, naming=naming, progress=progress)
        pictures = reports.thumbnails(seen.sample, bucket=bucket)
    path = to or Path(f"{escape(job)}.html")
    reports.write(path, reports.page(seen, pictures, now=datetime.now(UTC)))
    document = reports.document(seen) | {"page": str(path), "pictures": len(pictures)}
    answer(as_json, document, [*reports.lines(seen), rendering.printable(str(path))])
