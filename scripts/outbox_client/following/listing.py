"""What listing the bucket shows of a job's open requests."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from truss_outbox.contract.errors import ManifestError, NotFoundError
from truss_outbox.contract.fingerprint import fingerprint
from truss_outbox.contract.keys import key_of_failure, key_of_manifest, manifest_key
from truss_outbox.contract.manifest import Failure

from ..bucket.records import (
    failures_of,
    listed_failures,
    listed_manifests,
    manifests_of,
    read_failure,
    read_manifest,
)
from ..bucket.walking import PAGE_KEYS, Walker
from ..journal.entries import OpenRequest, StoredResult
from ..journal.journal import Journal
from ..service.api import Deployment

T = TypeVar("T")

Stretch = list[str] | None
"""What is listed at a time: open keys that are neighbours, or, as None, all of the job's."""


class JobListing:
    """The records below a job's prefix. All methods read from the bucket and raise StoreError."""

    def __init__(self, journal: Journal, deployment: Deployment) -> None:
        self._bucket = deployment.bucket
        self._journal = journal
        self._prefix = deployment.naming.prefix(journal.job)
        self._walker = Walker(self._bucket)
        self._model_version = deployment.model_version
        # Of the failures' paths that were read. Hashes, because an item may fail many times.
        self._read: set[int] = set()

    def stretches(self) -> Iterator[Stretch]:
        """What to list to see every record of an open request; none where no request is open.

        Several can be listed at the same time.
        """
        keys = self._journal.open_keys()
        return keys if self._walker.can_jump else (None for _ in itertools.islice(keys, 1))

    def results(self, stretch: Stretch) -> Iterator[list[StoredResult]]:
        """The results of open requests in a stretch of the listing, some at a time."""
        if stretch is None:
            listed = listed_manifests(self._bucket, self._prefix)
        else:
            listed = manifests_of(self._walker, self._prefix, stretch)
        for some in _batched(listed, PAGE_KEYS):
            times = {key_of_manifest(found.key): found.modified_at for found in some}
            requests = self._journal.open_requests(times)
            yield [StoredResult(one, times[one.key].timestamp()) for one in requests]

    def results_of(self, keys: Sequence[str]) -> list[StoredResult]:
        """The results of open requests under these keys, each asked for by itself."""
        answers = self._bucket.in_threads(self._committed_at, keys)
        times = {key: at for key, at in answers if at is not None}
        return [StoredResult(one, times[one.key]) for one in self._journal.open_requests(times)]

    def _committed_at(self, key: str) -> tuple[str, float | None]:
        """The key, and when its manifest was made; None where there is none."""
        try:
            manifest, _ = read_manifest(self._bucket, manifest_key(key))
        except (NotFoundError, ManifestError):
            return key, None
        return key, manifest.created_at.timestamp()

    def is_result_of(self, request: OpenRequest, *, of_any_version: bool) -> bool:
        """Whether the result under the request's key belongs to its input.

        It must also come from the deployed version of the model, where that is known, unless
        `of_any_version`.
        """
        try:
            manifest, _ = read_manifest(self._bucket, manifest_key(request.key))
        except (NotFoundError, ManifestError):
            return False
        if not of_any_version and self._model_version not in {None, manifest.model.version}:
            return False
        expected = fingerprint(request.digest or "", model_version=manifest.model.version)
        return manifest.fingerprint == expected

    def new_failures(self) -> Iterator[tuple[OpenRequest, Failure]]:
        """The failure records under open requests' keys, each of them once."""
        listed = set[int]()
        for found in self._bucket.in_threads(self._failures_in, self.stretches()):
            listed.update(hash(path) for path, _ in found)
            fresh = [one for one in found if hash(one[0]) not in self._read]
            for path, request, failure in self._bucket.in_threads(self._failure, fresh):
                if request.request_id is not None:  # else it is not known yet whose failure it is
                    self._read.add(hash(path))
                    if failure is not None:
                        yield request, failure
        self._read &= listed  # the others' requests are not open any more

    def _failures_in(self, stretch: Stretch) -> list[tuple[str, OpenRequest]]:
        """The paths of open requests' failure records in a stretch of the listing."""
        if stretch is None:
            listed = listed_failures(self._bucket, self._prefix)
        else:
            listed = failures_of(self._walker, self._prefix, stretch)
        of_open = list[tuple[str, OpenRequest]]()
        for some in _batched(listed, PAGE_KEYS):
            keys = {key_of_failure(path) for path in some}
            by_key = {request.key: request for request in self._journal.open_requests(keys)}
            found = ((path, by_key.get(key_of_failure(path))) for path in dict.fromkeys(some))
            of_open += [(path, request) for path, request in found if request is not None]
        return of_open

    def _failure(self, one: tuple[str, OpenRequest]) -> tuple[str, OpenRequest, Failure | None]:
        path, request = one
        return path, request, read_failure(self._bucket, path)


def _batched(found: Iterable[T], size: int) -> Iterator[list[T]]:
    found = iter(found)
    while some := list(itertools.islice(found, size)):
        yield some
