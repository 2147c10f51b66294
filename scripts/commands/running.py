"""The whole way of a job in one command: run."""

import os
import sys

import typer

from scripts.client import exit_codes, job_rendering, opening, rendering
from scripts.client.clock import SYSTEM_CLOCK
from scripts.client.limits import Limits
from scripts.client.options import Sending, SourceOptions, expanded
from scripts.client.planning import planned
from scripts.client.progress_display import shown_progress
from scripts.client.running import run as run_job
from scripts.client.settings import Overrides, read_settings
from scripts.client.sources import find_items
from scripts.commands.answering import Json, Target, Timeout, answer, finish
from scripts.commands.sending import Sources
from scripts.commands.stopping import stopped_by_interrupt

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
