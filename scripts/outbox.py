"""The companion script: submit, wait, fetch. Thin: it parses, calls scripts.client and prints."""

import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from model.artifacts.errors import ConfigurationError
from scripts import outbox_upkeep
from scripts.answering import Items, JobName, Json, answer, finish
from scripts.client import exit_codes, opening, rendering, steps
from scripts.client.accounting import cancel as cancel_job
from scripts.client.accounting import status as job_status
from scripts.client.command_group import CommandGroup
from scripts.client.jobs import list_jobs
from scripts.client.journal import Entry
from scripts.client.options import Sending, expanded
from scripts.client.progress_display import shown_progress
from scripts.client.settings import Overrides, Settings, read_api_key, read_settings
from scripts.client.states import State

app = typer.Typer(
    cls=CommandGroup,
    help="Send documents to your model; its results wait in your own bucket.",
    epilog=exit_codes.EXPLANATION,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Paths = Annotated[
    list[Path], typer.Argument(metavar="PATH...", help="Files, and folders of files.")
]
Timeout = Annotated[float | None, typer.Option(min=0, help="Seconds to wait for results.")]
Target = Annotated[Path, typer.Option("--to", help="The directory the results go into.")]


def main() -> None:
    # A repetition is not worth a line; what fails for good comes as an error.
    logging.getLogger("stamina").setLevel(logging.ERROR)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    app()


def command(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command of ours with the exit codes in its help."""
    return app.command(name, epilog=exit_codes.EXPLANATION)


@command("submit")
@expanded
def submit(
    connection: Overrides,
    paths: Paths,
    sending: Sending,
    as_json: Json = False,
) -> None:
    """Send documents. Sending a job again is harmless: each result is made once."""
    settings, batch = _settings(connection), sending.batch()
    with shown_progress(quiet=as_json) as progress:
        submission = steps.submit(settings, paths, batch, progress)
    document = rendering.submission_document(submission)
    answer(as_json, document, rendering.submission_lines(submission))
    finish(failed=bool(submission.refused))


@command("wait")
@expanded
def wait(
    connection: Overrides, job: JobName, timeout: Timeout = None, as_json: Json = False
) -> None:
    """Wait until the end of every item of the job is known."""
    with shown_progress(quiet=as_json) as progress:
        entries = steps.wait(_settings(connection), job, timeout, progress)
    document = rendering.entries_document(job, entries)
    answer(as_json, document, rendering.entries_lines(job, entries))
    finish(failed=_any_failed(entries))


@command("fetch")
@expanded
def fetch(connection: Overrides, job: JobName, to: Target, as_json: Json = False) -> None:
    """Bring the job's results here, verified. Needs the bucket alone; brings only what is new."""
    with shown_progress(quiet=as_json) as progress:
        report = steps.fetch(_settings(connection), job, to, progress)
    answer(as_json, rendering.fetch_document(report), rendering.fetch_lines(report, to=str(to)))
    finish(failed=bool(report.problems) or not report.results)


@command("run")
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
    settings, batch = _settings(connection), sending.batch()
    with shown_progress(quiet=as_json) as progress:
        sent = steps.submit(settings, paths, batch, progress).items
        entries = steps.wait(settings, batch.job, timeout, progress)
        report = steps.fetch(settings, batch.job, to, progress)
    entries = [entry for entry in entries if entry.item in sent]
    document = rendering.entries_document(batch.job, entries) | rendering.fetch_document(report)
    lines = rendering.entries_lines(batch.job, entries) + rendering.fetch_lines(report, to=str(to))
    answer(as_json, document, lines)
    finish(failed=_any_failed(entries) or bool(report.problems))


@command("status")
@expanded
def status(connection: Overrides, job: JobName, as_json: Json = False) -> None:
    """How the job stands: one look at the bucket, and at the queue for what is not there."""
    settings = _settings(connection)
    with (
        opening.journal(settings, job) as journal,
        opening.deployment(settings) as deployment,
    ):
        stands = job_status(journal, deployment=deployment)
    answer(as_json, rendering.status_document(stands), rendering.status_lines(stands))


@command("cancel")
@expanded
def cancel(
    connection: Overrides,
    job: JobName,
    items: Items = None,
    as_json: Json = False,
) -> None:
    """Cancel what is still queued; what runs already goes on."""
    settings = _settings(connection)
    with (
        opening.journal(settings, job) as journal,
        opening.deployment(settings) as deployment,
    ):
        cancellation = cancel_job(journal, items or (), api=deployment.api)
    document = rendering.cancellation_document(job, cancellation)
    answer(as_json, document, rendering.cancellation_lines(cancellation))


@command("jobs")
@expanded
def jobs(connection: Overrides, as_json: Json = False) -> None:
    """The jobs submitted from this machine."""
    found = list_jobs(_settings(connection).home)
    answer(as_json, rendering.jobs_document(found), rendering.jobs_lines(found))


@command("serve")
def serve(
    truss_directory: Annotated[Path, typer.Argument(metavar="[TRUSS_DIR]")] = Path(),
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: a free one.")] = 0,
    bucket: Annotated[
        Path | None, typer.Option(help="Also run an S3 bucket on this folder.")
    ] = None,
    state: Annotated[Path, typer.Option(help="Where the queue is kept.")] = Path(".outbox"),
    concurrency_target: Annotated[int, typer.Option(min=1, help="Requests run at once.")] = 1,
    api_key_file: Annotated[
        Path | None, typer.Option(help="A file with the key callers must send.")
    ] = None,
) -> None:
    """Run a stand-in for Baseten on this machine, in front of the real Truss server."""
    from scripts.local_baseten.errors import LocalBasetenError  # noqa: PLC0415
    from scripts.local_baseten.serving import serve as serve_locally  # noqa: PLC0415

    try:
        serve_locally(
            truss_directory,
            port=port,
            state_directory=state,
            bucket_directory=bucket,
            api_key=read_api_key(api_key_file, os.environ),
            concurrency_target=concurrency_target,
        )
    except (LocalBasetenError, OSError) as error:
        raise ConfigurationError("serve", str(error)) from error


app.add_typer(outbox_upkeep.app)


def _settings(connection: Overrides) -> Settings:
    return read_settings(connection, os.environ)


def _any_failed(entries: Sequence[Entry]) -> bool:
    return any(entry.state is not State.SUCCEEDED for entry in entries)


if __name__ == "__main__":
    main()
