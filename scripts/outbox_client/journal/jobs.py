"""The jobs submitted from this machine."""

from dataclasses import dataclass
from pathlib import Path

from . import queries
from .entries import State
from .file import connected


@dataclass(frozen=True, kw_only=True, slots=True)
class JobSummary:
    """A job this machine has submitted; `counts` by state, `last_submit` since the epoch."""

    job: str
    root: str
    counts: dict[State, int]
    last_submit: float | None


def list_jobs(home: Path) -> list[JobSummary]:
    """Every job submitted from this machine, the latest first."""
    jobs = [_summary(path) for path in (home / "jobs").glob("*.sqlite3")]
    return sorted(jobs, key=lambda job: job.last_submit or 0, reverse=True)


def _summary(path: Path) -> JobSummary:
    with connected(path) as connection:
        job, root = connection.execute(queries.SELECT_ABOUT).fetchone()
        counts = connection.execute(queries.COUNT_STATES)
        (last,) = connection.execute(queries.LAST_SUBMIT).fetchone()
        return JobSummary(
            job=job,
            root=root,
            counts={State(state): count for state, count in counts},
            last_submit=last,
        )
