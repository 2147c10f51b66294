"""Downloading artifacts into files, checked while they come."""

import contextlib
import hashlib
import itertools
import os
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from threading import BoundedSemaphore, Event, Lock
from typing import BinaryIO, TypeVar

from truss_outbox.contract.errors import CorruptArtifactError, ObjectTooLargeError
from truss_outbox.contract.manifest import Artifact, check_artifact

from ..bucket.bucket import Bucket
from ..local_files import write_new

PART_BYTES = 32 << 20
"""A large file comes in such parts, several at a time, and is resumed at the start of one."""

STREAMS = 4
"""Parts at a time. More and smaller ones cost the bucket's server more than they bring."""

_LARGE_BYTES = 4 << 20
_SHORT_PART_BYTES, _SHORTEST_PART_BYTES = 8 << 20, 2 << 20
_LIGHT_BYTES = 256 << 10
_MOST_IN_MEMORY = 6
"""At most so many files at a time that are neither light nor large: each is in memory whole."""

_SIDE_BY_SIDE = 64
"""Small files of results with several of them; a result's first is brought by who asks for it."""

_AHEAD = 4 * _SIDE_BY_SIDE
"""Of one result's small files, which may be very many, so many are on their way or wait for it."""

_BLOCK_BYTES = 2 << 20
"""Hashed at a time: on a busy machine every return to the interpreter may have to wait."""

_LOOK_SECONDS = 0.02
"""So often the first of the parts is asked how far it is: what it has is hashed meanwhile."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """One artifact, its object's key and the file it becomes."""

    artifact: Artifact
    key: str
    target: str

    @property
    def is_large(self) -> bool:
        return self.artifact.size > _LARGE_BYTES


class StoppedError(Exception):
    """The fetch was ended while this file was on its way."""


class ArtifactDownloader:
    """Downloads in bounded memory, whatever the sizes. Safe to use from several threads."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._slots = BoundedSemaphore(_MOST_IN_MEMORY)
        self._parts = ThreadPoolExecutor(_MOST_IN_MEMORY)
        self._files = ThreadPoolExecutor(_SIDE_BY_SIDE)
        self._stopped = Event()
        self._writing = Lock()

    def stop(self) -> None:
        """Large files under way end with StoppedError, and no other file begins."""
        self._stopped.set()
        for pool in (self._parts, self._files):
            pool.shutdown(wait=False, cancel_futures=True)

    def contents(self, downloads: Iterable[Download]) -> dict[str, bytes]:
        """By target, of few and small ones. Raises CorruptArtifactError, StoreError."""
        found: dict[str, bytes] = {}

        def bring(one: Download) -> None:
            found[one.target] = self._content(one)

        self._each(bring, downloads)
        return found

    def small(self, downloads: Mapping[str, Download]) -> None:
        """Each into a new file at its path. Raises CorruptArtifactError, StoreError, OSError."""

        def bring(path: str) -> None:
            one = downloads[path]
            is_light = one.artifact.size <= _LIGHT_BYTES
            with contextlib.nullcontext() if is_light else self._slots:
                write_new(path, self._content(one))

        self._each(bring, downloads)

    def _each(self, function: Callable[[T], None], items: Iterable[T]) -> None:
        """The first by this thread: mostly there is no other."""
        items = iter(items)
        coming: deque[Future[None]] = deque()

        def submit(most: int) -> None:
            for one in itertools.islice(items, most):
                coming.append(self._files.submit(function, one))

        for first in items:
            try:
                submit(_AHEAD)
                function(first)
                while coming:
                    coming.popleft().result()
                    submit(1)
            finally:
                if coming:  # else `wait` costs as much as a small file
                    for future in coming:
                        future.cancel()
                    wait(coming)

    def _content(self, download: Download) -> bytes:
        artifact = download.artifact
        # The manifest bounds what is read: a larger object is wrong, whatever it holds.
        try:
            data = self._bucket.get(download.key, max_bytes=artifact.size)
        except ObjectTooLargeError as error:
            problem = f"more bytes than the {artifact.size} it should have"
            raise CorruptArtifactError(artifact.name, problem) from error
        check_artifact(artifact, size=len(data), sha256=hashlib.sha256(data).hexdigest())
        return data

    def large(self, download: Download, file: BinaryIO) -> None:
        """Complete `file`, which may hold a beginning from an earlier fetch.

        Raises CorruptArtifactError, for which that beginning may be to blame, StoreError, OSError.
        """
        artifact = download.artifact

        def check_size(size: int) -> None:
            check_artifact(artifact, size=size, sha256=artifact.sha256)

        parts, there = parts_of(artifact.size), os.fstat(file.fileno()).st_size
        # They are written in any order: a fetch that was killed may have left holes in the last.
        last = bisect_left([end for _, end in parts], there)
        left = parts[max(0, last + 1 - STREAMS) :]
        begun = left[0][0]
        if there > begun:
            # Not needlessly: ext4 writes a file that was truncated to disk when it is closed.
            file.truncate(begun)
            # What is shorter now has not even the first of the parts that are asked for.
            check_size(self._bucket.size(download.key))
        digest, received, buffer = hashlib.sha256(), 0, memoryview(bytearray(_BLOCK_BYTES))
        for end in self._written(partial(self._bring, download.key, file, check_size), left):
            while count := os.readv(file.fileno(), [buffer[: end - received]]):
                digest.update(buffer[:count])
                received += count
        check_artifact(artifact, size=received, sha256=digest.hexdigest())

    def _written(
        self, bring: Callable[["_Part"], None], places: Sequence[tuple[int, int]]
    ) -> Iterator[int]:
        """Brings the parts, and yields now and then how far the file is complete."""
        yield places[0][0]
        coming: deque[tuple[_Part, Future[None]]] = deque()
        parts = (_Part(start, end) for start, end in places)
        try:
            while True:
                for part in itertools.islice(parts, STREAMS - len(coming)):
                    coming.append((part, self._parts.submit(bring, part)))
                if not coming:
                    return
                first, future = coming[0]
                if future in wait([future], timeout=_LOOK_SECONDS).done:
                    future.result()
                    coming.popleft()
                yield first.at
        finally:
            futures = [future for _, future in coming]
            for future in futures:
                future.cancel()
            wait(futures)  # or they would write to a file that is closed

    def _bring(
        self, key: str, file: BinaryIO, check_size: Callable[[int], None], part: "_Part"
    ) -> None:
        for chunk in self._bucket.range_chunks(
            key, start=part.at, length=part.end - part.at, check_size=check_size
        ):
            written = 0
            # Several threads in one file's pages at a time spin in the kernel.
            with self._writing:
                while written < len(chunk):
                    written += os.pwrite(file.fileno(), chunk[written:], part.at + written)
            part.at += written
            if self._stopped.is_set():
                raise StoppedError


@dataclass(slots=True)
class _Part:
    at: int
    """How far it is written, from its start on."""
    end: int


def parts_of(size: int) -> list[tuple[int, int]]:
    """Where each begins and ends.

    The first differ, or all would end together, and nothing would come until the next ones do. The
    last are shorter: what comes last is hashed when all else is done. Of a small file they are not:
    a call each would take longer.
    """
    parts, start = list[tuple[int, int]](), 0
    shortest = _SHORT_PART_BYTES if size < 2 * PART_BYTES else _SHORTEST_PART_BYTES
    while start < size:
        most = PART_BYTES * min(len(parts) + 1, STREAMS) // STREAMS
        length = min(most, max(shortest, (size - start) // (2 * STREAMS)))
        parts.append((start, min(size, start + length)))
        start = parts[-1][1]
    return parts
