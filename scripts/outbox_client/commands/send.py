"""Sending a job: submit and resume."""

import os
import sys
from typing import Annotated

import typer

from .. import opening
from ..deployment import Deployment
from ..journal.journal import Journal
from ..sending.limits import Limits
from ..sending.plan import Plan, planned
from ..sending.submit import accepted
from ..sending.submit import resume as send_planned
from ..settings import Overrides, read_settings
from ..sources.files import find_items
from . import exit_codes
from .answering import JobName, Json, answer, finish, stopped_by_interrupt
from .options import Sending, SourceOptions, expanded
from .progress.display import shown_progress
from .rendering import answers as rendering

app = typer.Typer()

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...",
        help="Files, folders, patterns; s3:// or gs:// prefixes below the model's root; tables of"
        " model inputs (.jsonl, .csv, .parquet, - for JSON lines on stdin).",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show keys and sizes; send nothing.")]


@app.command("submit", epilog=exit_codes.EXPLANATION)
@expanded
def submit(
    connection: Overrides,
    sources: Sources,
    sending: Sending,
    reading: SourceOptions,
    limits: Limits,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Send documents. Sending a job again is harmless: each result is made once."""
    settings, batch = read_settings(connection, os.environ), sending.batch()
    items = find_items(sources, reading.reading(settings, sys.stdin))
    with planned(items, batch, naming=opening.naming(settings)) as plan:
        if dry_run:
            _show(plan, as_json=as_json)
            return
        if plan.repeated:
            typer.echo(f"{plan.repeated} the same as another: sent once", err=True)
        with (
            opening.deployment(settings) as deployment,
            opening.journal(settings, batch.job, create=True) as journal,
        ):
            journal.plan(plan)
            send(journal, deployment, limits, as_json=as_json)


@app.command("resume", epilog=exit_codes.EXPLANATION)
@expanded
def resume(connection: Overrides, job: JobName, limits: Limits, as_json: Json = False) -> None:
    """Send what is left of a job that was stopped, killed or cut off. The sources are not read
    again: all is in the job's journal."""
    settings = read_settings(connection, os.environ)
    with (
        opening.journal(settings, job) as journal,
        opening.deployment(settings) as deployment,
    ):
        send(journal, deployment, limits, as_json=as_json)


def send(journal: Journal, deployment: Deployment, limits: Limits, *, as_json: bool) -> None:
    """What is planned; answers how it went, and ends the command."""
    with shown_progress(as_json=as_json) as progress, stopped_by_interrupt() as stop:
        submission = send_planned(
            journal, deployment=deployment, progress=progress, limits=limits, stop=stop
        )
    sent = accepted(journal, submission) if as_json else ()
    document = rendering.submission_document(submission, sent)
    answer(as_json, document, rendering.submission_lines(submission))
    finish(failed=bool(submission.refused))


def _show(plan: Plan, *, as_json: bool) -> None:
    if as_json:
        typer.echo(rendering.as_json(rendering.plan_document(plan)))
        return
    for line in rendering.plan_lines(plan):
        typer.echo(line)
