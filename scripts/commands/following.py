"""Following a job: wait, status, cancel, jobs."""

import os

import typer

from scripts.client import exit_codes, opening, rendering, steps
from scripts.client.accounting import cancel as cancel_job
from scripts.client.accounting import status as job_status
from scripts.client.jobs import list_jobs
from scripts.client.options import expanded
from scripts.client.progress_display import shown_progress
from scripts.client.settings import Overrides, read_settings
from scripts.commands.answering import Items, JobName, Json, Timeout, answer, any_failed, finish

app = typer.Typer()


@app.command("wait", epilog=exit_codes.EXPLANATION)
@expanded
def wait(
    connection: Overrides, job: JobName, timeout: Timeout = None, as_json: Json = False
) -> None:
    """Wait until the end of every item of the job is known."""
    with shown_progress(as_json=as_json) as progress:
        entries = steps.wait(read_settings(connection, os.environ), job, timeout, progress)
    document = rendering.entries_document(job, entries)
    answer(as_json, document, rendering.entries_lines(job, entries))
    finish(failed=any_failed(entries))


@app.command("status", epilog=exit_codes.EXPLANATION)
@expanded
def status(connection: Overrides, job: JobName, as_json: Json = False) -> None:
    """How the job stands: one look at the bucket, and at the queue for what is not there."""
    settings = read_settings(connection, os.environ)
    with (
        opening.journal(settings, job) as journal,
        opening.deployment(settings) as deployment,
    ):
        stands = job_status(journal, deployment=deployment)
    answer(as_json, rendering.status_document(stands), rendering.status_lines(stands))


@app.command("cancel", epilog=exit_codes.EXPLANATION)
@expanded
def cancel(
    connection: Overrides,
    job: JobName,
    items: Items = None,
    as_json: Json = False,
) -> None:
    """Cancel what is still queued; what runs already goes on."""
    settings = read_settings(connection, os.environ)
    with (
        opening.journal(settings, job) as journal,
        opening.deployment(settings) as deployment,
    ):
        cancellation = cancel_job(journal, items or (), api=deployment.api)
    document = rendering.cancellation_document(job, cancellation)
    answer(as_json, document, rendering.cancellation_lines(cancellation))


@app.command("jobs", epilog=exit_codes.EXPLANATION)
@expanded
def jobs(connection: Overrides, as_json: Json = False) -> None:
    """The jobs submitted from this machine."""
    found = list_jobs(read_settings(connection, os.environ).home)
    answer(as_json, rendering.jobs_document(found), rendering.jobs_lines(found))
