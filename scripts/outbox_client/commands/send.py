"""Sending a job: submit, resume, retry; and run, which waits and fetches too."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Annotated

import typer

from .. import opening
from ..bucket.foreign import ForeignObjects
from ..clock import SYSTEM_CLOCK
from ..journal.journal import Journal
from ..running import run as run_job
from ..sending.detached import detach as start
from ..sending.plan import plan_again, planned
from ..sending.submit import accepted, announce
from ..sending.submit import resume as send_planned
from ..service.api import Deployment
from ..service.limits import SendingLimits
from ..settings import ResultOverrides, ServiceOverrides, read_settings
from ..sources.files import find_items
from ..text import counted
from ..threads import INTERRUPTED, set_by_handler
from .answers.fetched import fetch_document, fetch_lines
from .answers.followed import account_answer, account_lines
from .answers.printing import answer, say
from .answers.sent import (
    detached_lines,
    plan_document,
    plan_lines,
    plan_note,
    submission_document,
    submission_lines,
)
from .options import Items, JobName, Json, Target, Timeout, command
from .progress.display import (
    service_told_once,
    shown_progress,
    told_note,
    told_once,
    told_plan,
)
from .submit_options import SubmitOptions

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


Detach = Annotated[
    bool,
    typer.Option("--detach", help="Plan all, and go on sending in a process of its own."),
]


def _left_out(note: Callable[[str], None]) -> Callable[[str], None]:
    return lambda what: note(f"left out: {what}")


@contextmanager
def _stopped_by_interrupt() -> Iterator[threading.Event]:
    """The event is set by the first SIGINT; the second is Python's KeyboardInterrupt again."""
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def stop_first(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        set_by_handler(INTERRUPTED)
        set_by_handler(stop)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, stop_first)
    try:
        yield stop
    finally:
        INTERRUPTED.clear()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


@command(app, "run")
def run(  # noqa: PLR0913, PLR0917  # an option, or a group of them, each
    bucket: ResultOverrides,
    service: ServiceOverrides,
    sources: Sources,
    to: Target,
    submission: SubmitOptions,
    limits: SendingLimits,
    foreign: ForeignObjects,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Submit, wait and fetch, all at the same time."""
    settings, batch = read_settings(bucket, service), submission.batch()
    told = told_once(as_json=as_json)
    note = partial(told_note, as_json=as_json)
    reading = submission.reading(
        settings, sys.stdin, skip=_left_out(note), foreign=foreign, on_wait=told
    )
    items = find_items(sources, reading)
    with (
        planned(
            items, batch, naming=opening.naming(settings), progress=told_plan(as_json=as_json)
        ) as plan,
        opening.deployment(settings, foreign, on_wait=told) as deployment,
        opening.journal(settings, batch.job, create=True) as journal,
    ):
        if plan.is_batch_work:
            note(plan_note(plan))
        plan.record(journal)
        with shown_progress(as_json=as_json) as progress, _stopped_by_interrupt() as stop:
            done = run_job(
                journal,
                to,
                deployment=deployment,
                timeout_seconds=timeout,
                progress=progress,
                limits=limits,
                stop=stop,
            )
        document = account_answer(done.account, now=SYSTEM_CLOCK.now())
        document |= fetch_document(done.fetched)
        fetched = fetch_lines(done.fetched, to=str(to))
        lines = [*account_lines(done.account), *fetched]
        failed = not done.account.succeeded or bool(done.fetched.problems)
        answer(as_json, document, lines, failed=failed, foreign=foreign)


@command(app, "submit")
def submit(  # noqa: PLR0913, PLR0917  # an option, or a group of them, each
    bucket: ResultOverrides,
    service: ServiceOverrides,
    sources: Sources,
    submission: SubmitOptions,
    limits: SendingLimits,
    foreign: ForeignObjects,
    dry_run: DryRun = False,
    detach: Detach = False,
    as_json: Json = False,
) -> None:
    """Send documents. Sending a job again is harmless: each result is made once."""
    settings, batch = read_settings(bucket, service), submission.batch()
    told = told_once(as_json=as_json)
    note = partial(told_note, as_json=as_json)
    reading = submission.reading(
        settings, sys.stdin, skip=_left_out(note), foreign=foreign, on_wait=told
    )
    items = find_items(sources, reading)
    with planned(
        items, batch, naming=opening.naming(settings), progress=told_plan(as_json=as_json)
    ) as plan:
        if plan.is_batch_work:
            note(plan_note(plan))
        if dry_run:
            if as_json:
                answer(as_json, plan_document(plan), (), foreign=foreign)
            else:
                for line in plan_lines(plan):
                    say(line)
            return
        if plan.repeated:
            say(f"{plan.repeated} the same as another: sent once", err=True)
        with (
            opening.deployment(settings, foreign, on_wait=told) as deployment,
            opening.journal(settings, batch.job, create=True) as journal,
        ):
            plan.record(journal)
            if not detach:
                _send(journal, deployment, limits, as_json=as_json)
                return
            count = announce(journal, deployment)
        log = opening.log_file(settings, batch.job)
        sending = start(batch.job, (bucket, service, limits), planned=count, log=log)
        lines = detached_lines(sending)
        answer(as_json, asdict(sending) | {"log": str(log)}, lines, foreign=foreign)


@command(app, "resume")
def resume(
    bucket: ResultOverrides,
    service: ServiceOverrides,
    job: JobName,
    limits: SendingLimits,
    foreign: ForeignObjects,
    as_json: Json = False,
) -> None:
    """Send what is left of a job that was stopped, killed or cut off. The sources are not read
    again: all is in the job's journal."""
    settings = read_settings(bucket, service)
    in_bucket = opening.bucket(settings, foreign, on_wait=told_once(as_json=as_json))
    with (
        opening.known_job(settings, job, in_bucket) as journal,
        opening.deployment(settings, in_bucket=in_bucket) as deployment,
    ):
        _send(journal, deployment, limits, as_json=as_json)


@command(app, "retry")
def retry(
    bucket: ResultOverrides,
    service: ServiceOverrides,
    job: JobName,
    limits: SendingLimits,
    foreign: ForeignObjects,
    items: Items = None,
    as_json: Json = False,
) -> None:
    """Send again what failed and may succeed now; or the given items, whatever their reason."""
    settings = read_settings(bucket, service)
    in_bucket = opening.bucket(settings, foreign, on_wait=told_once(as_json=as_json))
    with (
        opening.known_job(settings, job, in_bucket) as journal,
        opening.deployment(settings, in_bucket=in_bucket) as deployment,
    ):
        plan_again(journal, items or ())
        _send(journal, deployment, limits, as_json=as_json, nothing=_NOTHING_TO_RETRY)


@command(app, "wake")
def wake(service: ServiceOverrides, as_json: Json = False) -> None:
    """Ask a deployment that has scaled to zero to start, before its requests come."""
    settings = read_settings(service)
    with opening.service(settings, on_wait=service_told_once(as_json=as_json)) as api:
        api.wake()
    addressee = settings.deployment or settings.environment
    document = {"woken": True, "deployment": settings.deployment}
    document |= {"environment": settings.environment}
    lines = [f"asked {addressee} to start; the first requests wait until it has"]
    answer(as_json, document, lines)


_NOTHING_LEFT = "nothing is left to send"
_NOTHING_TO_RETRY = (
    "nothing failed that may succeed now; items that are named are sent all the same"
)


def _send(
    journal: Journal,
    deployment: Deployment,
    limits: SendingLimits,
    *,
    as_json: bool,
    nothing: str = _NOTHING_LEFT,
) -> None:
    """Send what is planned, answer how it went, and end the command."""
    with shown_progress(as_json=as_json) as progress, _stopped_by_interrupt() as stop:
        submission = send_planned(
            journal, deployment=deployment, progress=progress, limits=limits, stop=stop
        )
    sent = accepted(journal, submission) if as_json else ()
    document = submission_document(submission, sent)
    lines, refused = submission_lines(submission), bool(submission.refused)
    reason = "" if submission.sent or refused else f"{nothing}: {counted(journal.counts())}"
    foreign = deployment.bucket.foreign
    answer(as_json, document, lines, failed=refused, reason=reason, foreign=foreign)
