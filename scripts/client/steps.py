"""The steps of a job, from settings to result."""

from pathlib import Path

from scripts.client import opening
from scripts.client.fetching import FetchReport
from scripts.client.fetching import fetch as fetch_results
from scripts.client.progress import Progress
from scripts.client.selection import EVERYTHING, Selection
from scripts.client.settings import Settings


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
