"""Artifacts' way into the store: many at a time, all of them or none."""

import contextlib
import mimetypes
import os
import tempfile
from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Self

from ..contract.errors import OutputsError
from ..contract.keys import artifact_key
from ..contract.listing import LISTING_NAME, line_of
from ..contract.manifest import (
    MAX_ARTIFACTS,
    MOST_NAMED,
    Artifact,
    ArtifactListing,
    Manifest,
)
from ..contract.names import check_artifact_names, place_of
from ..contract.root import Root
from .commit import checked_bytes, discard
from .protocol import ObjectStore
from .settings import DEFAULT_CONNECTIONS

_SMALL_BYTES = 1 << 20
"""A smaller file costs a round trip to the bucket, whatever its size."""

_CONTENT_TYPES = mimetypes.MimeTypes()  # Python's own table: the machine's cannot change it.
for _type, _ending in (
    ("text/csv", ".csv"),
    ("image/webp", ".webp"),
    ("application/x-subrip", ".srt"),
    ("text/vtt", ".vtt"),
    ("audio/flac", ".flac"),
    ("audio/ogg", ".ogg"),
    ("application/jsonl", ".jsonl"),
):
    _CONTENT_TYPES.add_type(_type, _ending)


class UploadThreads:
    """What all results share that are stored at the same time: many small files, few large ones.

    They take half of the connections: a file that is alone, and the parts of large ones, have
    threads of their own.
    """

    def __init__(self, connections: int = DEFAULT_CONNECTIONS) -> None:
        most_small = max(1, connections // 2)
        self._small = ThreadPoolExecutor(most_small, thread_name_prefix="outbox-artifact")
        self._large = ThreadPoolExecutor(max(1, connections // 8), "outbox-large-artifact")
        self.ahead = 2 * most_small
        """So many files of one result are on their way, or wait for a thread."""

    def pool_for(self, size: int) -> Executor:
        return self._small if size <= _SMALL_BYTES else self._large

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._small.shutdown()
        self._large.shutdown()


def check_files(files: Mapping[str, Path]) -> None:
    """Whether these can be stored as artifacts. Raises OutputsError."""
    if len(files) > MAX_ARTIFACTS:
        raise OutputsError(
            f"{len(files):,} files are more than the {MAX_ARTIFACTS:,} that a result may have:"
            " put several into one"
        )
    try:
        check_artifact_names(files)
    except ValueError as error:
        raise OutputsError(str(error)) from None
    for name, path in files.items():
        if not path.is_file():
            raise OutputsError(f"there is no file for the artifact {name!r}")
        if not os.access(path, os.R_OK):
            raise OutputsError(f"the file for the artifact {name!r} may not be read")


def upload_artifacts(
    store: ObjectStore,
    files: Mapping[str, Path],
    manifest: Manifest,
    *,
    threads: UploadThreads | None = None,
) -> Manifest:
    """Store every file under the attempt's own directory; returns the manifest that names them.

    Of more than MOST_NAMED it names an object that lists them. On failure, none of them is left
    there. Raises StoreError; and OutputsError, before anything is stored, for names that cannot
    be, a file that is missing, and a manifest larger than readers take.
    """
    check_files(files)
    is_listed = len(files) > MOST_NAMED
    if not is_listed:
        _check_size(store, files, manifest)
    order = sorted(files, key=place_of) if is_listed else list(files)
    try:
        with contextlib.ExitStack() as stack:
            threads = threads or stack.enter_context(UploadThreads())
            coming = _stored(store, [(name, files[name]) for name in order], manifest, threads)
            stored = stack.enter_context(contextlib.closing(coming))
            if is_listed:
                return manifest.naming(_stored_listing(store, stored, manifest))
            return manifest.naming(list(stored))
    except Exception:
        # None is on its way any more.
        discard(store, [_key(manifest, name) for name in (*order, LISTING_NAME)])
        raise


def _check_size(store: ObjectStore, files: Mapping[str, Path], manifest: Manifest) -> None:
    """Raises OutputsError where the manifest will be larger than readers take."""
    artifacts = [
        _artifact(store, manifest, name, size=path.stat().st_size, sha256="0" * 64)
        for name, path in files.items()
    ]
    checked_bytes(manifest.naming(artifacts))


def _stored(
    store: ObjectStore,
    files: Sequence[tuple[str, Path]],
    manifest: Manifest,
    threads: UploadThreads,
) -> Generator[Artifact, None, None]:
    """Stores the files, and yields what they are now, in their order.

    After the first error no other begins, and it is raised once those under way have ended.
    """
    if len(files) == 1:
        # A thread for a single small file would cost a tenth of sending it.
        yield _upload(store, manifest, *files[0])
        return
    pending: deque[Future[Artifact]] = deque()
    try:
        for name, path in files:
            pool = threads.pool_for(path.stat().st_size)
            pending.append(pool.submit(_upload, store, manifest, name, path))
            while pending and (pending[0].done() or len(pending) > threads.ahead):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
        wait(pending)


def _stored_listing(
    store: ObjectStore, stored: Iterable[Artifact], manifest: Manifest
) -> ArtifactListing:
    """The object that lists them, written while they come: they may be too many for memory."""
    count = size = 0
    with tempfile.NamedTemporaryFile(prefix="outbox-listing-") as file:
        for artifact in stored:
            file.write(line_of(artifact))
            count, size = count + 1, size + artifact.size
        file.flush()
        listing = _upload(store, manifest, LISTING_NAME, Path(file.name))
    return ArtifactListing(**dict(listing), artifact_count=count, artifact_bytes=size)


def _upload(store: ObjectStore, manifest: Manifest, name: str, path: Path) -> Artifact:
    stored = store.put_file(_key(manifest, name), path, content_type=_content_type(name))
    return _artifact(store, manifest, name, size=stored.size, sha256=stored.sha256)


def _artifact(
    store: ObjectStore, manifest: Manifest, name: str, *, size: int, sha256: str
) -> Artifact:
    return Artifact(
        name=name,
        uri=Root.parse(store.root).uri(_key(manifest, name)),
        size=size,
        content_type=_content_type(name),
        sha256=sha256,
    )


def _key(manifest: Manifest, name: str) -> str:
    return artifact_key(manifest.key, manifest.attempt, name)


def _content_type(name: str) -> str:
    return _CONTENT_TYPES.guess_type(name)[0] or "application/octet-stream"
