"""Bringing a job's results here: verified, complete, never half a file under its name."""

import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Self

from truss_outbox.contract.errors import AccessDeniedError, OutboxError, StoreUnavailableError
from truss_outbox.contract.keys import KeyTemplate, key_of_manifest, manifest_key

from ..bucket.bucket import Bucket
from ..bucket.listed import StoredObject
from ..bucket.naming import Naming
from ..bucket.records import listed_manifests
from ..errors import TargetError
from ..local_files import Disk, Folders, is_empty, ready_directory
from ..progress import Progress, ProgressEvent, silent
from .download import ArtifactDownloader
from .helpers import Helpers
from .indexed import IndexedManifests
from .layout import EVERYTHING, Selection, TakenPaths
from .one_result import Brought, Fetched, Fetcher, Wanted
from .places import Places, PlacesUnderWay
from .report import FetchReport

_MOST_REFUSED = 64
"""When the bucket refuses so many results in a row, it will refuse the others too."""

_KNOWN_FOLDERS = 100_000
_SHOWN_SECONDS = 0.1

_NO_TIME = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """The manifests to fetch; `is_result` says of a key whether the job has its result.

    Without it the bucket is asked.
    """

    found: Iterable[StoredObject]
    total: int
    is_result: Callable[[str], bool] | None = None

    @classmethod
    def of(cls, paths: Iterable[str]) -> Self:
        """All of the job's."""
        known = dict.fromkeys(paths)
        return cls(
            found=[StoredObject(key=path, size=0, modified_at=_NO_TIME) for path in known],
            total=len(known),
            is_result=lambda key: manifest_key(key) in known,
        )

    @classmethod
    def of_keys(cls, keys: Iterable[str]) -> Self:
        """Some of the job's, each once; how many is not known before the last."""
        return cls(
            found=(
                StoredObject(key=manifest_key(key), size=0, modified_at=_NO_TIME)
                for key in _each_once(keys)
            ),
            total=0,
        )


def _each_once(keys: Iterable[str]) -> Iterator[str]:
    met = set[int]()  # hashes: one in 2**60 is taken for another
    for key in keys:
        if hash(key) not in met:
            met.add(hash(key))
            yield key


def _is_result(bucket: Bucket) -> Callable[[str], bool]:
    """Asked of the folders in items' names, which are few."""
    return lru_cache(_KNOWN_FOLDERS)(lambda key: bucket.exists(manifest_key(key)))


def fetch(
    job: str,
    to: Path,
    *,
    bucket: Bucket | Helpers,
    naming: Naming,
    selection: Selection = EVERYTHING,
    digest_of: Callable[[str], str | None] = lambda _: None,
    progress: Progress = silent,
    listed: Listed | None = None,
) -> FetchReport:
    """The job's committed results below `to`, each in a folder named by its item, or as selected.

    Files that are there and whole stay as they are. By `digest_of` (the input's digest of a key,
    from the journal) a result of another input is told. Without `listed` manifests the bucket is
    listed, and what is foreign to it is passed over. Helpers, in place of their bucket, bring many
    results sooner. A result that does not verify is reported and leaves no file. Raises StoreError
    where the bucket fails, TargetError where the disk does; fetching again continues.
    """
    helpers = bucket if isinstance(bucket, Helpers) else None
    bucket = bucket.bucket if isinstance(bucket, Helpers) else bucket
    prefix, is_listed = naming.prefix(job), listed is None
    listed = listed or _listed(bucket, prefix, selection, naming.template)
    plan = _Plan(
        job=job,
        to=to,
        prefix=prefix,
        template=naming.template,
        selection=selection,
        is_listed=is_listed,
        ignores_case=ready_directory(to),
        is_new=is_empty(to),
    )
    wanted = ((one, digest_of(key_of_manifest(one.key))) for one in listed.found)
    if helpers and plan.has_own_folders and listed.is_result is None:
        brought = helpers.bring(wanted, plan.bring, is_apart=plan.is_of_template)
    else:
        brought = plan.bring(wanted, bucket, is_result=listed.is_result)
    report = FetchReport(job=job)
    try:
        with contextlib.closing(brought):
            _gather(brought, report, total=listed.total, progress=progress)
    except (AccessDeniedError, StoreUnavailableError, TargetError) as error:
        error.add_note(
            f"at least {report.whole} result(s) are here; fetch again to go on from there"
        )
        raise
    return report


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    """What is fetched from a bucket, and how; the same in each process that does."""

    job: str
    to: Path
    prefix: str
    template: KeyTemplate
    selection: Selection
    is_listed: bool
    ignores_case: bool
    is_new: bool

    @property
    def has_own_folders(self) -> bool:
        """Whether two keys always have two folders."""
        return self.selection.layout.by_item and not self.ignores_case

    def is_of_template(self, path: str) -> bool:
        """Of a manifest's: no folder of two such results lies in the other."""
        return path.count("/") - 1 == self.template.text.count("/")

    def bring(
        self,
        wanted: Iterable[Wanted],
        bucket: Bucket,
        *,
        is_result: Callable[[str], bool] | None = None,
    ) -> Generator[Brought, None, None]:
        """As `helpers.Work`. Without `is_result` the bucket is asked."""
        downloader, indexed = ArtifactDownloader(bucket), IndexedManifests(bucket, self.job)
        taken = None if self.has_own_folders else TakenPaths(ignores_case=self.ignores_case)
        fetcher = Fetcher(
            job=self.job,
            to=self.to,
            is_new=self.is_new,
            bucket=bucket,
            downloader=downloader,
            folders=Folders(self.to),
            disk=Disk(),
            prefix=self.prefix,
            is_listed=self.is_listed,
            selection=self.selection,
            places=Places(
                to=self.to,
                prefix=self.prefix,
                template=self.template,
                is_result=is_result or _is_result(bucket),
            ),
            under_way=PlacesUnderWay(),
            indexed=indexed,
            taken_paths=taken,
        )
        with contextlib.closing(indexed):
            yield from bucket.in_steps(map(fetcher.fetch, wanted), halt=downloader.stop)


def _listed(bucket: Bucket, prefix: str, selection: Selection, template: KeyTemplate) -> Listed:
    """How many there are is not known before the last."""
    is_wanted = partial(selection.may_take, template=template)
    return Listed(
        found=listed_manifests(
            bucket, prefix, is_wanted=None if selection.takes_all_items else is_wanted
        ),
        total=0,
    )


def _gather(
    brought: Iterable[Brought], report: FetchReport, *, total: int, progress: Progress
) -> None:
    """Adds results to the report as they come; None is what was not asked for.

    Raises the bucket's error where it is at fault rather than they.
    """
    progress(ProgressEvent(phase="fetch", done=0, total=total))
    not_given, done, told_at, last = 0, 0, 0.0, None
    for done, (_, result) in enumerate(brought, start=1):
        if result is not None:
            report.add(result)
            last = result.error
            not_given = not_given + 1 if _is_the_buckets(last) else 0
            if last is not None and not_given >= _MOST_REFUSED:
                raise last
        # Not of each: an event costs as much as bringing a small file.
        now = time.monotonic()
        if (result and result.problem is not None) or now - told_at >= _SHOWN_SECONDS:
            told_at = now
            progress(_event(result, done=done, total=max(total, done) if total else 0))
    progress(ProgressEvent(phase="fetch", done=done, total=max(total, done)))
    # A small job ends before there are as many as _MOST_REFUSED: did the bucket give anything?
    if last is not None and not_given == len(report.results):
        raise last


def _event(result: Fetched | None, *, done: int, total: int) -> ProgressEvent:
    if result is None:
        return ProgressEvent(phase="fetch", done=done, total=total)
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
