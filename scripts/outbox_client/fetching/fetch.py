"""Bringing a job's results here: verified, complete, never half a file under its name."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from truss_outbox.contract.errors import AccessDeniedError, OutboxError, StoreUnavailableError
from truss_outbox.contract.keys import manifest_key

from ..bucket.bucket import Bucket
from ..bucket.naming import Naming
from ..bucket.records import listed_manifests
from ..errors import TargetError
from ..local_files import Folders, ready_directory
from ..progress import Progress, ProgressEvent, silent
from ..threads import in_threads
from .download import ArtifactDownloader
from .layout import EVERYTHING, Selection, TakenPaths
from .one_result import Fetched, Fetcher
from .places import Places

_WORKERS = 16
_MOST_REFUSED = 2 * _WORKERS
"""When the bucket refuses so many results in a row, it will refuse the others too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchReport:
    job: str
    results: list[Fetched] = field(default_factory=list)

    @property
    def problems(self) -> list[Fetched]:
        return [result for result in self.results if result.problem is not None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """The manifests to fetch; `is_result` says of a key whether the job has its result."""

    paths: Sequence[str]
    is_result: Callable[[str], bool]

    @classmethod
    def of(cls, paths: Iterable[str]) -> Self:
        """All of the job's."""
        found = list(paths)
        known = frozenset(found)
        return cls(paths=found, is_result=lambda key: manifest_key(key) in known)


def fetch(
    job: str,
    to: Path,
    *,
    bucket: Bucket,
    naming: Naming,
    selection: Selection = EVERYTHING,
    digests: Mapping[str, str] | None = None,
    progress: Progress = silent,
    listed: Listed | None = None,
) -> FetchReport:
    """The job's committed results below `to`, each in a folder named by its item, or as selected.

    Files that are there and whole stay as they are. By `digests` (input digests by key, from the
    journal) a result of another input is told. Without `listed` manifests the bucket is listed, and
    what is foreign to it is passed over. A result that does not verify is reported and leaves no
    file. Raises StoreError where the bucket fails, TargetError where the disk does; fetching again
    continues.
    """
    ignores_case = ready_directory(to)
    prefix, is_listed = naming.prefix(job), listed is None
    # Listed to the end before the first download, so that progress knows the total.
    listed = listed or Listed.of(found.key for found in listed_manifests(bucket, prefix))
    downloader = ArtifactDownloader(bucket)
    fetcher = Fetcher(
        job=job,
        to=to,
        bucket=bucket,
        downloader=downloader,
        folders=Folders(to),
        prefix=prefix,
        is_listed=is_listed,
        selection=selection,
        places=Places(to=to, prefix=prefix, template=naming.template, is_result=listed.is_result),
        taken_paths=TakenPaths(ignores_case=ignores_case),
        digests=digests or {},
    )
    report, total = FetchReport(job=job), len(listed.paths)
    results = in_threads(fetcher.fetch, listed.paths, workers=_WORKERS, halt=downloader.stop)
    try:
        _gather(results, report, total=total, progress=progress)
    except (AccessDeniedError, StoreUnavailableError, TargetError) as error:
        whole = len(report.results) - len(report.problems)
        error.add_note(f"{whole} result(s) are here; fetch again to go on from there")
        raise
    report.results.sort(key=lambda result: result.key)
    return report


def _gather(
    results: Iterable[Fetched | None], report: FetchReport, *, total: int, progress: Progress
) -> None:
    """Adds results to the report as they come; None is what was not asked for.

    Raises the bucket's error where it is at fault rather than they.
    """
    progress(ProgressEvent(phase="fetch", done=0, total=total))
    not_given = 0
    for done, result in enumerate(results, start=1):
        if result is None:
            continue
        report.results.append(result)
        not_given = not_given + 1 if _is_the_buckets(result.error) else 0
        if result.error is not None and not_given >= _MOST_REFUSED:
            raise result.error
        progress(_event(result, done=done, total=max(total, done)))
    # A small job ends before there are as many as _MOST_REFUSED: did the bucket give anything?
    if not_given and not_given == len(report.results):
        raise report.results[-1].error or AssertionError


def _event(result: Fetched, *, done: int, total: int) -> ProgressEvent:
    return ProgressEvent(
        phase="fetch",
        done=done,
        total=total,
        item=result.item,
        state="fetched" if result.problem is None else "failed",
        note=result.problem or "",
    )


def _is_the_buckets(error: OutboxError | None) -> bool:
    return isinstance(error, AccessDeniedError | StoreUnavailableError)
