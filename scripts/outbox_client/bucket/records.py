"""The records that the model writes: which of a bucket's objects they are, and reading them.

Anybody who may write to the bucket can put anything there. What is under our prefixes and is no
record (a folder's marker, somebody's file, a manifest that cannot be read) goes into the bucket's
`foreign` and is passed over, by all commands alike. A record is bounded before it is read, and it
counts only under its own key: under another one it could name the files of a result that is not its
own.
"""

import contextlib
import functools
import hashlib
import itertools
import tempfile
from collections.abc import Callable, Collection, Generator, Iterable, Iterator

from pydantic import Field

from truss_outbox.contract.errors import (
    AccessDeniedError,
    ManifestError,
    NotFoundError,
    ObjectTooLargeError,
    OutboxError,
    StoreUnavailableError,
)
from truss_outbox.contract.inputs import is_readable
from truss_outbox.contract.keys import (
    artifact_key,
    failure_key,
    is_attempt,
    is_key,
    is_probe,
    key_of_failure,
    key_of_manifest,
    manifest_key,
    short_segment,
)
from truss_outbox.contract.listing import LISTING_NAME, MAX_LINE_BYTES, read_listing
from truss_outbox.contract.manifest import (
    MAX_MANIFEST_BYTES,
    Artifact,
    Failure,
    Manifest,
    check_artifact,
)

from ..local_files import local_files
from ..threads import Task, done_here, one_ahead
from .bucket import Bucket
from .listed import ListedPage, StoredObject
from .walking import Span, Walker

_JOB_BYTES = 230
"""Of a job's name, which an ending follows: a directory's file has a longer name at first."""

_FEW_PAGES = 10
"""Listed before it is worth the time to get ready for more."""

MANIFESTS = "manifests/"
_FAILURES, _ARTIFACTS, _PROBES = "failures/", "artifacts/", "probes/"


def listed_manifests(
    bucket: Bucket, prefix: str, *, is_wanted: Callable[[str], bool] | None = None
) -> Iterator[StoredObject]:
    """What may be a manifest below `manifests/<prefix>`, by its key and size. Raises StoreError.

    `is_wanted` is asked of each key, where few of many are.
    """
    if is_wanted is None:
        return only_manifests(bucket, bucket.objects(MANIFESTS + prefix))
    found = _among(
        _pages_of_many(bucket, MANIFESTS + prefix),
        lambda path: not is_manifest_path(path) or is_wanted(key_of_manifest(path)),
    )
    return only_manifests(bucket, found)


def only_manifests(bucket: Bucket, listed: Iterable[StoredObject]) -> Iterator[StoredObject]:
    """What may be one; all else is foreign to the bucket."""
    return only_records(bucket, listed, _is_manifest)


def listed_failures(bucket: Bucket, prefix: str) -> Iterator[str]:
    """The paths of what may be failure records below `failures/<prefix>`. Raises StoreError."""
    return (one.key for one in stored_failures(bucket, prefix))


def stored_failures(bucket: Bucket, prefix: str) -> Iterator[StoredObject]:
    """As `listed_failures`, with what the listing says of each."""
    return only_records(bucket, bucket.objects(_FAILURES + prefix), _is_failure)


def manifests_of(walker: Walker, prefix: str, keys: Iterable[str]) -> Iterator[StoredObject]:
    """The manifests of these keys, which begin with `prefix`. Raises StoreError."""
    paths = dict.fromkeys(map(manifest_key, keys))
    # Nothing lies between them: no other key is as long and ends in `.jso`.
    pages = walker.pages(MANIFESTS + prefix, [Span(path[:-1], path) for path in paths])
    # What marks a folder in the place of one is foreign, and told.
    found = _among(pages, lambda path: path.removesuffix("/") in paths)
    return only_records(walker.bucket, found, _is_manifest)


def keys_with_manifest(walker: Walker, prefix: str, keys: Collection[str]) -> set[str]:
    """Those of these keys, which begin with `prefix`. Raises StoreError."""
    if walker.can_jump:
        return {key_of_manifest(found.key) for found in manifests_of(walker, prefix, keys)}
    bucket = walker.bucket
    answers = bucket.in_threads(lambda key: (key, bucket.exists(manifest_key(key))), keys)
    return {key for key, is_there in answers if is_there}


def failures_of(walker: Walker, prefix: str, keys: Iterable[str]) -> Iterator[str]:
    """The paths of these keys' failure records, which begin with `prefix`. Raises StoreError."""
    folders = dict.fromkeys(f"{_FAILURES}{key}" for key in keys)
    # Attempts lie between the two. From a folder itself some stores go on behind all that is in it.
    spans = [Span(f"{folder}/-", f"{folder}/~") for folder in folders]
    pages = walker.pages(_FAILURES + prefix, spans)
    found = _among(pages, lambda path: path.rpartition("/")[0] in folders)
    return (one.key for one in only_records(walker.bucket, found, _is_failure))


def _pages_of_many(bucket: Bucket, prefix: str) -> Iterator[ListedPage]:
    """All pages, which may be very many or a few."""
    pages, count, last = bucket.pages(prefix, after=None), 0, ""
    # Where keys come in no order, nothing can go on after one.
    for page in itertools.islice(pages, _FEW_PAGES) if bucket.lists_in_order else pages:
        yield page
        count, last = count + 1, page.last_key
    if count == _FEW_PAGES and bucket.lists_in_order:
        yield from one_ahead(bucket.bulk_pages(prefix, after=last))


def _among(pages: Iterable[ListedPage], is_wanted: Callable[[str], bool]) -> Iterator[StoredObject]:
    """Of what is listed, others are no objects yet: making a thousand takes longer than a call."""
    for page in pages:
        yield from page.only(place for place, key in enumerate(page.keys) if is_wanted(key))


def listed_artifacts(bucket: Bucket, prefix: str = "") -> Iterator[StoredObject]:
    """What attempts have stored under keys that begin with `prefix`. Raises StoreError."""
    found = bucket.objects(_ARTIFACTS + prefix)
    return only_records(bucket, found, lambda found: bool(owners(found.key)))


def listed_probes(bucket: Bucket) -> Iterator[StoredObject]:
    """What models wrote to try the bucket out. Raises StoreError."""
    return only_records(bucket, bucket.objects(_PROBES), lambda found: is_probe(found.key))


def listed_inputs(bucket: Bucket, prefix: str) -> Iterator[StoredObject]:
    """The objects below a prefix that a request may name as its input. Raises StoreError."""
    return only_records(bucket, bucket.objects(prefix), lambda found: is_readable(found.key))


def only_records(
    bucket: Bucket, listed: Iterable[StoredObject], is_record: Callable[[StoredObject], bool]
) -> Iterator[StoredObject]:
    """All else is foreign to the bucket."""
    for found in listed:
        if is_record(found):
            yield found
        else:
            bucket.foreign.add(found.key, _why_foreign(found))


def _why_foreign(found: StoredObject) -> str:
    if found.key.endswith("/"):
        return "marks a folder: nothing of Outbox's"
    return "is empty: nothing of Outbox's" if not found.size else "has no key that Outbox makes"


def is_manifest_path(path: str) -> bool:
    """Whether a manifest may lie there."""
    key = key_of_manifest(path)
    return path == manifest_key(key) and is_key(key)


def is_failure_path(path: str) -> bool:
    """Whether a failure record may lie there."""
    key = key_of_failure(path)
    attempt = path.rpartition("/")[2].removesuffix(".json")
    return path == failure_key(key, attempt) and is_attempt(attempt) and is_key(key)


def _is_manifest(found: StoredObject) -> bool:
    return found.size > 0 and is_manifest_path(found.key)


def _is_failure(found: StoredObject) -> bool:
    return found.size > 0 and is_failure_path(found.key)


@functools.lru_cache(maxsize=1024)  # a sweep asks of each object several times
def owners(path: str) -> tuple[tuple[str, str], ...]:
    """Every (key, attempt) that an artifact's path may be of; none where it is no artifact's.

    Mostly one. An item, or a folder in an artifact's name, may look like an attempt too.
    """
    segments = path.split("/")[1:]
    # Of artifacts no name ends in a slash, or is anything but letters, digits and `._-`.
    if not all(map(is_key, segments)):
        return ()
    return tuple(
        ("/".join(segments[:place]), segments[place])
        for place in range(1, len(segments) - 1)
        if is_attempt(segments[place])
    )


def read_manifest(bucket: Bucket, path: str) -> tuple[Manifest, bytes]:
    """The manifest that lies at `path` below the root, and its bytes.

    Raises ManifestError: too large, of another schema, or under a key that is not its own; and
    NotFoundError, StoreError.
    """
    data = read_record(bucket, path)
    return Manifest.at(path, data), data


def read_listed(bucket: Bucket, found: StoredObject) -> Manifest | None:
    """As `read_manifest`; None for what cannot be read, or is gone: it is foreign to the bucket.

    Raises AccessDeniedError and StoreUnavailableError, which the others would meet as well.
    """
    return done_here(reading_listed(bucket, found))


def reading_listed(bucket: Bucket, found: StoredObject) -> Task[Manifest | None]:
    """As `read_listed`, for `Bucket.in_steps`: what threads have read is parsed by one of them."""
    try:
        if found.size > MAX_MANIFEST_BYTES:  # the listing saves a request
            raise _too_large()
        data: bytes = yield functools.partial(read_record, bucket, found.key)
        return Manifest.at(found.key, data)
    except (AccessDeniedError, StoreUnavailableError):
        raise
    except OutboxError as error:
        bucket.foreign.add(found.key, error)
        return None


def read_told(bucket: Bucket, path: str) -> tuple[Manifest, bytes] | None:
    """A manifest that a queue told of, and its bytes; None where it is gone meanwhile.

    None also for what cannot be read: it is foreign to the bucket. Raises StoreError.
    """
    try:
        return read_manifest(bucket, path)
    except NotFoundError:
        return None
    except ManifestError as error:
        bucket.foreign.add(path, error)
        return None


def read_failure(bucket: Bucket, path: str) -> Failure | None:
    """None where there is no failure record that can be read. Raises StoreError."""
    try:
        failure = Failure.from_bytes(read_record(bucket, path))
    except NotFoundError:
        return None
    except ManifestError as error:
        bucket.foreign.add(path, error)
        return None
    if path != failure_key(failure.key, failure.attempt):
        bucket.foreign.add(path, "the failure record lies under a key that is not its own")
        return None
    return failure


def artifacts_of(bucket: Bucket, manifest: Manifest) -> Generator[Artifact, None, None]:
    """All artifacts of a result, however many: from its manifest, or from the object listing them.

    That is read whole, onto this machine's disk, and verified before the first comes; memory holds
    one at a time. Raises CorruptArtifactError, ManifestError where it breaks the contract, which
    may be after some have come, NotFoundError, StoreError, and LocalFileError.
    """
    listing = manifest.artifact_listing
    if listing is None:
        yield from manifest.artifacts
        return
    path = artifact_key(manifest.key, manifest.attempt, LISTING_NAME)
    with contextlib.closing(verified_lines(bucket, path, listing)) as lines:
        yield from read_listing(lines, listing)


def verified_lines(bucket: Bucket, path: str, promised: Artifact) -> Generator[bytes, None, None]:
    """The lines of an object, of which size and SHA-256 are verified before the first comes.

    It lies on this machine's disk meanwhile. Raises CorruptArtifactError, ManifestError for a line
    that is too long, NotFoundError, StoreError, and LocalFileError.
    """
    with local_files, tempfile.TemporaryFile() as file:
        size = bucket.size(path)
        check_artifact(promised, size=size, sha256=promised.sha256)
        digest = hashlib.sha256()
        # Of an empty object there is no range.
        for chunk in bucket.range_chunks(path, start=0, length=size) if size else ():
            digest.update(chunk)
            file.write(chunk)
        check_artifact(promised, size=file.tell(), sha256=digest.hexdigest())
        file.seek(0)
        while line := file.readline(MAX_LINE_BYTES):
            if len(line) == MAX_LINE_BYTES:
                raise ManifestError(f"{path} has a line of {MAX_LINE_BYTES:,} bytes or more")
            yield line


def account_key(job: str) -> str:
    """Where a job's final account lies: `following` writes it, `report` reads it."""
    return f"jobs/{short_segment(job, _JOB_BYTES)}.json"


def problems_key(job: str) -> str:
    """Where the account's JSON lines are: of each item that has not succeeded."""
    return f"jobs/{short_segment(job, _JOB_BYTES)}.problems.jsonl"


class ProblemsListing(Artifact):
    """The object at `problems_key`, as the account that was written after it names it."""

    count: int = Field(ge=0)


def read_record(bucket: Bucket, path: str) -> bytes:
    try:
        return bucket.get(path, max_bytes=MAX_MANIFEST_BYTES)
    except ObjectTooLargeError as error:
        raise _too_large() from error


def _too_large() -> ManifestError:
    return ManifestError(f"it has more than the {MAX_MANIFEST_BYTES:,} bytes of a manifest")
