"""Following a job: wait, status, cancel, retry, jobs."""

import os
from typing import Annotated

import typer

from .. import opening
from ..clock import SYSTEM_CLOCK
from ..following.cancel import cancel as cancel_job
from ..following.status import Standing
from ..following.wait import wait as wait_for
from ..journal.jobs import list_jobs
from ..sending.limits import Limits
from ..sending.plan import plan_again
from ..settings import Overrides, read_settings
from . import exit_codes
from .answering import Items, JobName, Json, Timeout, answer, finish
from .options import expanded
from .progress.display import redrawn, shown_progress
from .rendering import answers as rendering
from .rendering import job as job_rendering
from .send import send

app = typer.Typer()

Watched = Annotated[bool, typer.Option("--watch", help="Again and again, until the job ends.")]


@app.command("wait", epilog=exit_codes.EXPLANATION)
@expanded
def wait(
    connection: Overrides, job: JobName, timeout: Timeout = None, as_json: Json = False
) -> None:
    """Wait until the end of every item of the job is known."""
    settings = read_settings(connection, os.environ)
    with opening.journal(settings, job) as journal, opening.deployment(settings) as deployment:
        with shown_progress(as_json=as_json) as progress:
            account = wait_for(
                journal, deployment=deployment, timeout_seconds=timeout, progress=progress
            )
        document = job_rendering.account_answer(account, now=SYSTEM_CLOCK.now())
        answer(as_json, document, list(job_rendering.account_lines(account)))
    finish(failed=not account.succeeded)


@app.command("status", epilog=exit_codes.EXPLANATION)
@expanded
def status(
    connection: Overrides, job: JobName, watch: Watched = False, as_json: Json = False
) -> None:
    """How the job stands: counts, rate, time left, the queue, and failures by their codes."""
    settings = read_settings(connection, os.environ)
    with (
        opening.journal(settings, job) as journal,
        opening.deployment(settings) as deployment,
        redrawn(in_place=watch and not as_json) as show,
    ):
        standing = Standing(journal, deployment=deployment)
        for stands in standing.looks() if watch else [standing.look()]:
            document = job_rendering.status_document(stands)
            lines = job_rendering.status_lines(stands)
            show(rendering.as_json(document) if as_json else "\n".join(lines))


@app.command("cancel", epilog=exit_codes.EXPLANATION)
@expanded
def cancel(
    connection: Overrides,
    job: JobName,
    items: Items = None,
    as_json: Json = False,
) -> None:
    """Cancel what is planned or queued; what runs already goes on."""
    settings = read_settings(connection, os.environ)
    with (
        opening.journal(settings, job) as journal,
        opening.service(settings) as api,
        shown_progress(as_json=as_json) as progress,
    ):
        cancellation = cancel_job(journal, items or (), api=api, progress=progress)
    document = job_rendering.cancellation_document(job, cancellation)
    answer(as_json, document, job_rendering.cancellation_lines(cancellation))


@app.command("retry", epilog=exit_codes.EXPLANATION)
@expanded
def retry(
    connection: Overrides,
    job: JobName,
    limits: Limits,
    items: Items = None,
    as_json: Json = False,
) -> None:
    """Send again what failed and may succeed now; or the given items, whatever their reason."""
    settings = read_settings(connection, os.environ)
    with opening.journal(settings, job) as journal, opening.deployment(settings) as deployment:
        plan_again(journal, items or ())
        send(journal, deployment, limits, as_json=as_json)


@app.command("jobs", epilog=exit_codes.EXPLANATION)
@expanded
def jobs(connection: Overrides, as_json: Json = False) -> None:
    """The jobs submitted from this machine."""
    found = list_jobs(read_settings(connection, os.environ).home)
    answer(as_json, rendering.jobs_document(found), rendering.jobs_lines(found))
