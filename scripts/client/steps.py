"""The three steps of a job, from settings to result."""

from collections.abc import Sequence
from pathlib import Path

from scripts.client import opening
from scripts.client.fetching import FetchReport
from scripts.client.fetching import fetch as fetch_results
from scripts.client.items import find_items
from scripts.client.journal import Entry
from scripts.client.progress import Progress
from scripts.client.request_body import Batch
from scripts.client.selection import EVERYTHING, Selection
from scripts.client.settings import Settings
from scripts.client.submitting import Submission, plan
from scripts.client.submitting import submit as submit_items
from scripts.client.waiting import wait as wait_for


def submit(
    settings: Settings, paths: Sequence[Path], batch: Batch, progress: Progress
) -> Submission:
    items = find_items(paths)
    # A wrong request is said before a journal is begun or a connection made.
    plan(items, batch, naming=opening.naming(settings))
    with (
        opening.deployment(settings) as deployment,
        opening.journal(settings, batch.job, create=True) as journal,
    ):
        return submit_items(items, batch, deployment=deployment, journal=journal, progress=progress)


def wait(
    settings: Settings, job: str, timeout_seconds: float | None, progress: Progress
) -> list[Entry]:
    with (
        opening.journal(settings, job) as journal,
        opening.deployment(settings) as deployment,
    ):
        return wait_for(
            journal, deployment=deployment, timeout_seconds=timeout_seconds, progress=progress
        )


def fetch(
    settings: Settings,
    job: str,
    to: Path,
    progress: Progress,
    selection: Selection = EVERYTHING,
) -> FetchReport:
    return fetch_results(
        job,
        to,
        bucket=opening.bucket(settings),
        naming=opening.naming(settings),
        selection=selection,
        digests=opening.known_digests(settings, job),
        progress=progress,
    )
