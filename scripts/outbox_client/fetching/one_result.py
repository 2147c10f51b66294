"""One result at a time: from its manifest's key to files on this machine."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from truss_outbox.contract import Manifest, fingerprint
from truss_outbox.contract.errors import KeyConflictError, ManifestError, OutboxError
from truss_outbox.contract.keys import artifact_key

from ..bucket.bucket import Bucket
from ..errors import TargetError, UnsafePathError
from .download import Download, Downloader
from .install import Installation, install
from .layout import FOLDERS, MANIFEST, Claims, Selection
from .local_files import Folders

MAX_MANIFEST_BYTES = 4 << 20
"""Ten thousand artifacts; the result inline is meant to be small."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """One result: its key, where its files are, how many came anew, or what is wrong with it."""

    item: str
    key: str
    folder: Path
    files: int = 0
    downloaded: int = 0
    downloaded_bytes: int = 0
    error: OutboxError | None = None

    @property
    def code(self) -> str | None:
        return None if self.error is None else self.error.code

    @property
    def problem(self) -> str | None:
        return None if self.error is None else str(self.error)


class Fetcher:
    """Several threads may use it."""

    def __init__(
        self,
        job: str,
        to: Path,
        *,
        bucket: Bucket,
        downloader: Downloader,
        prefix: str,
        selection: Selection,
        claims: Claims,
        digests: Mapping[str, str],
    ) -> None:
        self._job = job
        self._to = to
        self._folders = Folders(to)
        self._bucket = bucket
        self._downloader = downloader
        self._prefix = prefix
        self._selection = selection
        self._claims = claims
        self._digests = digests

    def fetch(self, path: str) -> Fetched | None:
        """None for a manifest of another job, or one that was not asked for.

        Raises TargetError, which the next result would meet too.
        """
        below = path.removeprefix(self._prefix).removesuffix(".json")
        key = path.removeprefix("manifests/").removesuffix(".json")
        item = below
        try:
            _check_place(below)
            data = self._bucket.get(path, max_bytes=MAX_MANIFEST_BYTES)
            manifest = Manifest.from_bytes(data)
            if manifest.job != self._job or not self._selection.takes_item(manifest.item):
                return None
            item = manifest.item
            self._check(manifest, key)
            installation = self._installation(manifest, data, below)
            brought = install(installation, folders=self._folders, downloader=self._downloader)
        except TargetError:
            raise
        except OutboxError as error:
            return Fetched(item=item, key=key, folder=self._to / below, error=error)
        return Fetched(
            item=item,
            key=key,
            folder=self._to / below if self._selection.layout is FOLDERS else self._to,
            files=len(installation.downloads),
            downloaded=len(brought),
            downloaded_bytes=sum(download.artifact.size for download in brought),
        )

    def _check(self, manifest: Manifest, key: str) -> None:
        if manifest.key != key:
            raise ManifestError("the manifest lies under a key that is not its own")
        digest = self._digests.get(key)
        if digest is None:
            return
        if fingerprint(digest, model_version=manifest.model.version) != manifest.fingerprint:
            raise KeyConflictError(key, request_id=manifest.request_id)

    def _installation(self, manifest: Manifest, data: bytes, below: str) -> Installation:
        places: dict[str, str] = {}
        for name in self._names(manifest):
            place = self._selection.layout.path(manifest, name, below=below)
            if place is not None:
                places[name] = place
        _check_apart(places)
        taken = [below] if self._selection.layout is FOLDERS else places.values()
        for place in taken:
            self._claims.take(place, key=manifest.key)
        last = places.pop(MANIFEST, None)
        by_name = {artifact.name: artifact for artifact in manifest.artifacts}
        return Installation(
            downloads=[
                Download(
                    artifact=by_name[name],
                    key=artifact_key(manifest.key, manifest.attempt, name),
                    target=self._to / place,
                )
                for name, place in places.items()
            ],
            last=None if last is None else (self._to / last, data),
        )

    def _names(self, manifest: Manifest) -> Iterator[str]:
        """Of the files asked for."""
        names = [artifact.name for artifact in manifest.artifacts]
        if len(set(names)) < len(names):
            raise ManifestError("two artifacts in one place: the name is taken")
        return (name for name in (*names, MANIFEST) if self._selection.takes_file(name))


def _check_place(below: str) -> None:
    """Raises UnsafePathError for what no key of ours looks like."""
    if "\\" in below or any(part == "" or part.startswith(".") for part in below.split("/")):
        raise UnsafePathError("not a key that Outbox makes: it has no place here")


def _check_apart(places: Mapping[str, str]) -> None:
    """Raises ManifestError where a disk that ignores case would mix two files up."""
    names: dict[str, str] = {}
    for name, place in places.items():
        other = names.setdefault(place.casefold(), name)
        if other != name:
            raise ManifestError(f"artifacts {other!r} and {name!r}: the name is taken")
