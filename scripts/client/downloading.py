"""An object out of the bucket into a file, checked on its way."""

import contextlib
import hashlib
import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore, Event, Lock
from typing import BinaryIO

from model.artifacts import Artifact
from model.artifacts.errors import CorruptArtifactError, ObjectTooLargeError
from model.artifacts.reading import check_artifact
from scripts.client.bucket import Bucket

PART_BYTES = 4 << 20
"""What is larger comes in parts, several at a time, and can be resumed."""

_PARTS = 6
_WINDOW = 6
_LIGHT_BYTES = 256 << 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """One artifact, its object's key and the file it becomes."""

    artifact: Artifact
    key: str
    target: Path

    @property
    def is_large(self) -> bool:
        return self.artifact.size > PART_BYTES


class StoppedError(Exception):
    """The whole fetch is at its end, and nobody waits for this file."""


class Downloader:
    """Holds no more than `_PARTS` parts in memory. Safe to use from several threads."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._slots = BoundedSemaphore(_PARTS)
        self._pool = ThreadPoolExecutor(_PARTS)
        self._stopped = Event()
        self._writing = Lock()

    def stop(self) -> None:
        """Ends downloads of large files under way with StoppedError."""
        self._stopped.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def small(self, downloads: Mapping[Path, Download]) -> None:
        """Each into a new file at its path. Raises CorruptArtifactError, StoreError, OSError."""
        if not downloads:
            return
        (path, first), *rest = downloads.items()
        # The pool's threads bound what is in memory there, slots what is here.
        coming = [self._pool.submit(self._small, one, path) for path, one in rest]
        try:
            is_light = first.artifact.size <= _LIGHT_BYTES
            with contextlib.nullcontext() if is_light else self._slots:
                self._small(first, path)
        finally:
            wait(coming)
        for future in coming:
            future.result()

    def _small(self, download: Download, path: Path) -> None:
        artifact = download.artifact
        try:
            data = self._bucket.get(download.key, max_bytes=artifact.size)
        except ObjectTooLargeError as error:
            problem = f"more bytes than the {artifact.size} it should have"
            raise CorruptArtifactError(artifact.name, problem) from error
        check_artifact(artifact, size=len(data), sha256=hashlib.sha256(data).hexdigest())
        with path.open("xb", buffering=0) as file:
            _write(file, memoryview(data))

    def large(self, download: Download, file: BinaryIO) -> None:
        """Go on from what `file` holds. Raises CorruptArtifactError, StoreError, OSError.

        What was there already is part of what is checked; after an error it may be wrong.
        """
        artifact = download.artifact
        size = self._bucket.size(download.key)
        check_artifact(artifact, size=size, sha256=artifact.sha256)
        # Parts are written as they come: whoever was killed may have left holes in the last ones.
        begun = max(0, os.fstat(file.fileno()).st_size // PART_BYTES - _WINDOW)
        file.truncate(begun * PART_BYTES)
        digest = hashlib.sha256()
        while chunk := file.read(PART_BYTES):
            digest.update(chunk)
        received = file.tell()
        for data in self._parts(download.key, file, start=received, size=size):
            digest.update(data)
            received += len(data)
        check_artifact(artifact, size=received, sha256=digest.hexdigest())

    def _parts(self, key: str, file: BinaryIO, *, start: int, size: int) -> Iterator[memoryview]:
        """The object's bytes in order, each written already, and let go of before the next."""
        coming: deque[Future[memoryview]] = deque()
        starts = deque(range(start, size, PART_BYTES))
        try:
            while starts or coming:
                # Who holds a part may not wait for room: everybody could.
                while starts and len(coming) < _WINDOW and self._take(wait=not coming):
                    coming.append(self._pool.submit(self._part, key, file, starts.popleft(), size))
                yield coming[0].result()
                coming.popleft()
                self._slots.release()
        finally:
            for future in coming:
                future.cancel()
                self._slots.release()
            wait(coming)  # or they would write to a file that is closed

    def _part(self, key: str, file: BinaryIO, start: int, size: int) -> memoryview:
        length = min(PART_BYTES, size - start)
        data = self._bucket.get_range(key, start=start, length=length)
        written = 0
        # Several threads in one file's pages at a time spin in the kernel.
        with self._writing:
            while written < len(data):
                written += os.pwrite(file.fileno(), data[written:], start + written)
        return data

    def _take(self, *, wait: bool) -> bool:
        if self._stopped.is_set():
            raise StoppedError
        return self._slots.acquire(blocking=wait)


def _write(file: BinaryIO, data: memoryview) -> None:
    while data:
        data = data[file.write(data) :]
