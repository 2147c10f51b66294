"""What the bucket shows of a job's open requests."""

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

from truss_outbox.contract import Failure, fingerprint
from truss_outbox.contract.errors import ManifestError, NotFoundError
from truss_outbox.contract.keys import key_of_failure, key_of_manifest, manifest_key

from ..bucket.bucket import Bucket
from ..bucket.naming import Naming
from ..bucket.records import read_failure, read_manifest
from ..threads import in_threads
from .open_requests import EVERYTHING, PAGE_KEYS, OpenRequest, OpenRequests, Span, spans

_MANIFESTS = "manifests/"
_FAILURES = "failures/"

T = TypeVar("T")


class Seen(NamedTuple):
    """There is a result under the key of an open request; since when, by the bucket's clock."""

    request: OpenRequest
    committed_at: float


class Sightings:
    """The records below a job's prefix. All methods read from the bucket and raise StoreError."""

    def __init__(
        self,
        bucket: Bucket,
        requests: OpenRequests,
        *,
        naming: Naming,
        job: str,
        model_version: str | None,
    ) -> None:
        self._bucket = bucket
        self._requests = requests
        self._prefix = naming.prefix(job)
        # Below a flat prefix every store agrees on the order, folders or not.
        self._in_order = bucket.lists_in_order and naming.is_flat(job)
        self._model_version = model_version
        self._read: set[int] = set()

    def spans(self) -> list[Span]:
        """What has to be listed to see every new result; empty where no request is open."""
        pages = list(self._requests.listing_pages())
        if not any(page.is_open for page in pages):
            return []
        return list(spans(pages)) if self._in_order else [EVERYTHING]

    def results(self, span: Span) -> Iterator[list[Seen]]:
        """The results of open requests in a stretch of the listing, some at a time."""
        listed = self._bucket.objects_between(
            _MANIFESTS + self._prefix, after=_manifest(span.after), until=_manifest(span.until)
        )
        for some in _batched(listed):
            times = {key_of_manifest(found.key): found.modified_at for found in some}
            there = self._requests.of_keys(times)
            yield [Seen(request, times[request.key].timestamp()) for request in there]

    def is_result_of(self, request: OpenRequest, *, of_any_version: bool) -> bool:
        """Whether the result under the request's key is that of its input.

        And of the deployed model's version, as far as that is known, unless any will do.
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
        for some in _batched(self._bucket.keys(_FAILURES + self._prefix)):
            fresh = [path for path in some if hash(path) not in self._read]
            keys = {key_of_failure(path) for path in fresh}
            by_key = {request.key: request for request in self._requests.of_keys(keys)}
            of_open = [path for path in fresh if key_of_failure(path) in by_key]
            for path, failure in in_threads(self._failure, of_open):
                request = by_key[key_of_failure(path)]
                if request.request_id is not None:  # else it is not known yet whose failure it is
                    self._read.add(hash(path))
                    if failure is not None:
                        yield request, failure

    def _failure(self, path: str) -> tuple[str, Failure | None]:
        return path, read_failure(self._bucket, path)


def _manifest(bound: str | None) -> str | None:
    return None if bound is None else _MANIFESTS + bound


def _batched(found: Iterable[T]) -> Iterator[list[T]]:
    found = iter(found)
    while some := list(itertools.islice(found, PAGE_KEYS)):
        yield some
