"""What listing the bucket shows of a job's open requests."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from truss_outbox.contract.errors import ManifestError, NotFoundError
from truss_outbox.contract.fingerprint import fingerprint
from truss_outbox.contract.keys import key_of_failure, key_of_manifest, manifest_key
from truss_outbox.contract.manifest import Failure

from ..bucket.records import listed_failures, listed_manifests, read_failure, read_manifest
from ..journal.entries import ListingPage, OpenRequest, StoredResult
from ..journal.journal import Journal
from ..service.api import Deployment
from ..threads import in_threads

PAGE_KEYS = 1000
"""How many keys S3 and GCS answer one LIST call with."""

# Few, so that the calls for several spans can be made at the same time.
_PAGES_PER_SPAN = 5

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """The keys after `after` up to and including `until`, in byte order; None is no bound."""

    after: str | None = None
    until: str | None = None


EVERYTHING = Span()


def spans(pages: Iterable[ListingPage]) -> Iterator[Span]:
    """The pages with open requests, a few neighbours to a span, so that several can be listed at
    the same time.

    Spans begin and end where pages do: together they cost no more calls than one whole listing.
    """
    after: str | None = None
    for is_open, run in itertools.groupby(pages, key=lambda page: page.is_open):
        for some in _batched(run, _PAGES_PER_SPAN):
            if is_open:
                yield Span(after=after, until=some[-1].until)
            after = some[-1].until


class JobListing:
    """The records below a job's prefix. All methods read from the bucket and raise StoreError."""

    def __init__(self, journal: Journal, deployment: Deployment) -> None:
        self._bucket, naming = deployment.bucket, deployment.naming
        self._journal = journal
        self._prefix = naming.prefix(journal.job)
        # Below a flat prefix every store agrees on the order, folders or not.
        self._in_order = self._bucket.lists_in_order and naming.is_flat(journal.job)
        self._model_version = deployment.model_version
        # Of the paths that were read. Hashes, because a job may have very many failures.
        self._read: set[int] = set()

    def spans(self) -> list[Span]:
        """What to list to see every new result; empty where no request is open."""
        pages = list(self._journal.listing_pages(PAGE_KEYS))
        if not any(page.is_open for page in pages):
            return []
        return list(spans(pages)) if self._in_order else [EVERYTHING]

    def results(self, span: Span) -> Iterator[list[StoredResult]]:
        """The results of open requests in a span of the listing, some at a time."""
        listed = listed_manifests(self._bucket, self._prefix, after=span.after, until=span.until)
        for some in _batched(listed, PAGE_KEYS):
            times = {key_of_manifest(found.key): found.modified_at for found in some}
            requests = self._journal.open_requests(times)
            yield [StoredResult(one, times[one.key].timestamp()) for one in requests]

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
        for some in _batched(listed_failures(self._bucket, self._prefix), PAGE_KEYS):
            fresh = [path for path in some if hash(path) not in self._read]
            keys = {key_of_failure(path) for path in fresh}
            by_key = {request.key: request for request in self._journal.open_requests(keys)}
            of_open = [path for path in fresh if key_of_failure(path) in by_key]
            for path, failure in in_threads(self._failure, of_open):
                request = by_key[key_of_failure(path)]
                if request.request_id is not None:  # else it is not known yet whose failure it is
                    self._read.add(hash(path))
                    if failure is not None:
                        yield request, failure

    def _failure(self, path: str) -> tuple[str, Failure | None]:
        return path, read_failure(self._bucket, path)


def _batched(found: Iterable[T], size: int) -> Iterator[list[T]]:
    found = iter(found)
    while some := list(itertools.islice(found, size)):
        yield some
