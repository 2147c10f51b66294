"""The three steps of a job, from settings to result."""

from collections.abc import Sequence
from pathlib import Path

from scripts.client import opening
from scripts.client.batch import Batch
from scripts.client.entries import Entry
from scripts.client.fetching import FetchReport
from scripts.client.fetching import fetch as fetch_results
from scripts.client.planning import planned
from scripts.client.progress import Progress
from scripts.client.settings import Settings
from scripts.client.sources import find_items
from scripts.client.submitting import Submission
from scripts.client.submitting import resume as send
from scripts.client.waiting import wait as wait_for


def submit(
    settings: Settings, paths: Sequence[Path], batch: Batch, progress: Progress
) -> Submission:
    # A wrong request is said before a journal is begun or a connection made.
    with (
        planned(find_items(paths), batch, naming=opening.naming(settings)) as plan,
        opening.deployment(settings) as deployment,
        opening.journal(settings, batch.job, create=True) as journal,
    ):
        journal.plan(plan)
        return send(journal, deployment=deployment, progress=progress)


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


def fetch(settings: Settings, job: str, to: Path, progress: Progress) -> FetchReport:
    return fetch_results(
        job,
        to,
        bucket=opening.bucket(settings),
        naming=opening.naming(settings),
        digests=opening.known_digests(settings, job),
        progress=progress,
    )
