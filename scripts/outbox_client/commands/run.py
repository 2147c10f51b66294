"""The whole way of a job in one command: run."""

import os
import sys

import typer

from .. import opening
from ..clock import SYSTEM_CLOCK
from ..running import run as run_job
from ..sending.limits import Limits
from ..sending.plan import planned
from ..settings import Overrides, read_settings
from ..sources.files import find_items
from . import exit_codes
from .answering import Json, Target, Timeout, answer, finish, stopped_by_interrupt
from .options import Sending, SourceOptions, expanded
from .progress.display import shown_progress
from .rendering import answers as rendering
from .rendering import job as job_rendering
from .send import Sources

app = typer.Typer()


@app.command("run", epilog=exit_codes.EXPLANATION)
@expanded
def run(
    connection: Overrides,
    sources: Sources,
    to: Target,
    sending: Sending,
    reading: SourceOptions,
    limits: Limits,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Submit, wait and fetch, all at the same time."""
    settings, batch = read_settings(connection, os.environ), sending.batch()
    items = find_items(sources, reading.reading(settings, sys.stdin))
    with (
        planned(items, batch, naming=opening.naming(settings)) as plan,
        opening.deployment(settings) as deployment,
        opening.journal(settings, batch.job, create=True) as journal,
    ):
        journal.plan(plan)
        with shown_progress(as_json=as_json) as progress, stopped_by_interrupt() as stop:
            done = run_job(
                journal,
                to,
                deployment=deployment,
                timeout_seconds=timeout,
                progress=progress,
                limits=limits,
                stop=stop,
            )
        document = job_rendering.account_answer(done.account, now=SYSTEM_CLOCK.now())
        lines = [
            *job_rendering.account_lines(done.account),
            *rendering.fetch_lines(done.fetched, to=str(to)),
        ]
        answer(as_json, document | rendering.fetch_document(done.fetched), lines)
    finish(failed=not done.account.succeeded or bool(done.fetched.problems))
