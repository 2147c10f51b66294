"""Following a job: wait, status, cancel; and jobs."""

import os
from typing import Annotated

import typer

from .. import opening
from ..clock import SYSTEM_CLOCK
from ..following.cancel import cancel as cancel_job
from ..following.status import StatusReader
from ..following.tracker import wait as wait_for
from ..journal.journal import list_jobs
from ..settings import (
    ResultOverrides,
    RootOverrides,
    ServiceOverrides,
    read_settings,
    state_directory,
)
from . import answers
from .options import Items, JobName, Json, Timeout, command
from .progress.display import redrawn, shown_progress

app = typer.Typer()

Watched = Annotated[bool, typer.Option("--watch", help="Again and again, until the job ends.")]


@command(app, "wait")
def wait(
    bucket: ResultOverrides,
    service: ServiceOverrides,
    job: JobName,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Wait until the end of every item of the job is known."""
    settings = read_settings(bucket, service)
    with opening.journal(settings, job) as journal, opening.deployment(settings) as deployment:
        with shown_progress(as_json=as_json) as progress:
            account = wait_for(
                journal, deployment=deployment, timeout_seconds=timeout, progress=progress
            )
        document = answers.account_answer(account, now=SYSTEM_CLOCK.now())
        lines = answers.account_lines(account)
        answers.answer(as_json, document, lines, failed=not account.succeeded)


@command(app, "status")
def status(
    bucket: ResultOverrides,
    service: ServiceOverrides,
    job: JobName,
    watch: Watched = False,
    as_json: Json = False,
) -> None:
    """Show counts, rate, time left, the queue, and failures by their codes."""
    settings = read_settings(bucket, service)
    with (
        opening.journal(settings, job) as journal,
        opening.deployment(settings) as deployment,
        redrawn(in_place=watch and not as_json) as show,
    ):
        reader = StatusReader(journal, deployment=deployment)
        for found in reader.until_end() if watch else [reader.read()]:
            document = answers.status_document(found)
            lines = answers.status_lines(found)
            show(answers.json_text(document) if as_json else "\n".join(lines))


@command(app, "cancel")
def cancel(
    root: RootOverrides,
    service: ServiceOverrides,
    job: JobName,
    items: Items = None,
    as_json: Json = False,
) -> None:
    """Cancel what is planned or queued; what runs already goes on."""
    settings = read_settings(root, service)
    with (
        opening.journal(settings, job) as journal,
        opening.service(settings) as api,
        shown_progress(as_json=as_json) as progress,
    ):
        cancellation = cancel_job(journal, items or (), api=api, progress=progress)
    document = answers.cancellation_document(job, cancellation)
    answers.answer(as_json, document, answers.cancellation_lines(cancellation))


@command(app, "jobs")
def jobs(as_json: Json = False) -> None:
    """List the jobs submitted from this machine."""
    found = list_jobs(state_directory(os.environ))
    answers.answer(as_json, answers.jobs_document(found), answers.jobs_lines(found))
