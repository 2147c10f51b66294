"""What the bucket shows of a job's keys."""

from collections.abc import Container, Iterator

from model.artifacts import Failure, Manifest, fingerprint
from model.artifacts.errors import ManifestError, NotFoundError
from model.artifacts.keys import manifest_key
from scripts.client.bucket import Bucket
from scripts.client.entries import Entry
from scripts.client.threads import in_threads


class Sightings:
    """The records below a job's prefix. All methods read from the bucket and raise StoreError."""

    def __init__(self, bucket: Bucket, *, prefix: str, model_version: str | None = None) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._model_version = model_version
        self._read: set[str] = set()

    def committed(self, keys: Container[str]) -> Iterator[str]:
        """Those of the keys that hold a result."""
        for path in self._bucket.keys(f"manifests/{self._prefix}"):
            key = path.removeprefix("manifests/").removesuffix(".json")
            if key in keys:
                yield key

    def is_result_of(self, entry: Entry, *, of_any_version: bool) -> bool:
        """Whether the result under the entry's key is that of the entry's input.

        And of the deployed model's version, as far as that is known, unless any will do.
        """
        try:
            manifest = Manifest.from_bytes(self._bucket.get(manifest_key(entry.key or "")))
        except (NotFoundError, ManifestError):
            return False
        if not of_any_version and self._model_version not in {None, manifest.model.version}:
            return False
        expected = fingerprint(entry.digest or "", model_version=manifest.model.version)
        return manifest.fingerprint == expected

    def new_failures(self, keys: Container[str]) -> Iterator[Failure]:
        """The failure records of these keys, each of them once."""
        fresh = [
            path
            for path in self._bucket.keys(f"failures/{self._prefix}")
            if path not in self._read and path.removeprefix("failures/").rpartition("/")[0] in keys
        ]
        for path, failure in in_threads(self._failure, fresh):
            self._read.add(path)
            if failure is not None:
                yield failure

    def _failure(self, path: str) -> tuple[str, Failure | None]:
        try:
            return path, Failure.from_bytes(self._bucket.get(path))
        except (NotFoundError, ManifestError):
            return path, None
