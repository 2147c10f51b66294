"""What the shell offers for half a word."""

import os

from model.artifacts.keys import unescape
from scripts.client.settings import state_directory

_WHOLE_NAME = 100  # a journal's file has no more of its job's name


def known_jobs(incomplete: str) -> list[str]:
    """The jobs submitted from this machine that begin so; told by the names of their journals."""
    journals = (state_directory(os.environ) / "jobs").glob("*.sqlite3")
    names = {path.stem.rpartition("-")[0] for path in journals}
    jobs = (unescape(name) for name in names if len(name) < _WHOLE_NAME)
    return sorted(job for job in jobs if job.startswith(incomplete))
