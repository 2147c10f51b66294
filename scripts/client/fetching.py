"""Bringing a job's results here: verified, complete, never half a file under its name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from model.artifacts import Manifest, fingerprint
from model.artifacts.errors import (
    AccessDeniedError,
    KeyConflictError,
    ManifestError,
    OutboxError,
    StoreUnavailableError,
)
from model.artifacts.keys import artifact_key
from scripts.client.bucket import Bucket
from scripts.client.downloading import Download, install
from scripts.client.errors import UnsafePathError
from scripts.client.naming import Naming
from scripts.client.progress import Event, Progress, silent
from scripts.client.threads import in_threads

MANIFEST = "manifest.json"
"""A fetched result's manifest, written last: its presence means the folder is complete."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """One result: its folder, how many files came anew, or what is wrong with it."""

    item: str
    folder: Path
    files: int = 0
    downloaded: int = 0
    downloaded_bytes: int = 0
    code: str | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchReport:
    job: str
    results: list[Fetched] = field(default_factory=list)

    @property
    def problems(self) -> list[Fetched]:
        return [result for result in self.results if result.problem is not None]


def fetch(
    job: str,
    to: Path,
    *,
    bucket: Bucket,
    naming: Naming,
    digests: Mapping[str, str] | None = None,
    progress: Progress = silent,
    paths: Sequence[str] | None = None,
) -> FetchReport:
    """Every committed result of the job into a folder of its own below `to`.

    The folder is the key below the job's prefix. What is there and whole stays as it is.
    `digests` (input digests by key, from the journal) unmask results of another input. `paths` are
    the manifests to fetch; without them, the bucket is listed.
    A result that is wrong is reported and leaves nothing; raises StoreError where the bucket is.
    """
    prefix = f"manifests/{naming.prefix(job)}"
    paths = list(bucket.keys(prefix)) if paths is None else paths
    fetcher = _Fetcher(job, to, bucket=bucket, prefix=prefix, digests=digests or {})
    report = FetchReport(job=job)
    progress(Event(phase="fetch", done=0, total=len(paths)))
    for done, result in enumerate(in_threads(fetcher.fetch, paths), start=1):
        if result is None:
            continue
        report.results.append(result)
        progress(_event(result, done=done, total=len(paths)))
    report.results.sort(key=lambda result: result.item)
    return report


def _event(result: Fetched, *, done: int, total: int) -> Event:
    state = "fetched" if result.problem is None else "failed"
    note = result.problem or ""
    return Event(phase="fetch", done=done, total=total, item=result.item, state=state, note=note)


class _Fetcher:
    """Fetches one result at a time; several threads may use it."""

    def __init__(
        self, job: str, to: Path, *, bucket: Bucket, prefix: str, digests: Mapping[str, str]
    ) -> None:
        self._job = job
        self._to = to
        self._bucket = bucket
        self._prefix = prefix
        self._digests = digests

    def fetch(self, path: str) -> Fetched | None:
        """None for a manifest of another job."""
        below = path.removeprefix(self._prefix).removesuffix(".json")
        item, folder = below, self._to / below
        try:
            data = self._bucket.get(path)
            manifest = Manifest.from_bytes(data)
            if manifest.job != self._job:
                return None
            item = manifest.item
            self._check(manifest, path)
            return self._install(manifest, data, folder)
        except (AccessDeniedError, StoreUnavailableError):
            raise  # The bucket is at fault, not this result.
        except OutboxError as error:
            return Fetched(item=item, folder=folder, code=error.code, problem=str(error))

    def _check(self, manifest: Manifest, path: str) -> None:
        if path != f"manifests/{manifest.key}.json":
            raise ManifestError("the manifest lies under a key that is not its own")
        digest = self._digests.get(manifest.key)
        if digest is None:
            return
        if fingerprint(digest, model_version=manifest.model.version) != manifest.fingerprint:
            raise KeyConflictError(manifest.key, request_id=manifest.request_id)

    def _install(self, manifest: Manifest, data: bytes, folder: Path) -> Fetched:
        downloads = list(_downloads(manifest, folder))
        for target in (download.target for download in downloads):
            _check_inside(target, self._to)
        _check_inside(folder / MANIFEST, self._to)
        fetched = install(downloads, bucket=self._bucket, last=(folder / MANIFEST, data))
        return Fetched(
            item=manifest.item,
            folder=folder,
            files=len(downloads),
            downloaded=len(fetched),
            downloaded_bytes=sum(download.artifact.size for download in fetched),
        )


def _downloads(manifest: Manifest, folder: Path) -> Iterator[Download]:
    names: set[str] = set()
    for artifact in manifest.artifacts:
        if artifact.name in names:
            raise ManifestError(f"artifact {artifact.name!r}: the name is taken in its folder")
        names.add(artifact.name)
        yield Download(
            artifact=artifact,
            key=artifact_key(manifest.key, manifest.attempt, artifact.name),
            target=folder / artifact.name,
        )


def _check_inside(target: Path, directory: Path) -> None:
    """Raises UnsafePathError, also where a symbolic link in `directory` leads out of it."""
    if not target.parent.resolve().is_relative_to(directory.resolve()):
        raise UnsafePathError(f"{target} would leave {directory}; remove the link on its way")
