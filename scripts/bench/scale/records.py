"""The objects that a synthetic job has in its bucket, and their lines in a listing."""

import hashlib
import mmap
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from xml.sax.saxutils import escape

from .synthetic_job import SyntheticJob

Spelled = Callable[[str], str]
"""How a key is written in an answer."""

_BLOCK = 1000
AFTER_ALL = "\U0010ffff"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """An object; `chunks` gives the bytes from one place up to another, some at a time."""

    size: int
    md5: str
    modified_at: int
    content_type: str
    chunks: Callable[[int, int], Iterator[bytes]]


@dataclass(slots=True)
class State:
    """A job, and what of it is not as it was made: by position."""

    job: SyntheticJob
    hidden: set[int] = field(default_factory=set)
    shown_at: dict[int, int] = field(default_factory=dict)

    def time(self, position: int) -> int:
        return self.shown_at.get(position) or self.job.time(position)


class Records:
    """One kind of a job's objects: those of the positions where one `may_be`, and not all are.

    The lines of a listing, which have one length, are written once, a thousand at a time, into a
    file that has no name.
    """

    def __init__(
        self,
        state: State,
        *,
        path: Callable[[int], str],
        stored: Callable[[int], Stored],
        may_be: Callable[[int], bool],
    ) -> None:
        self.path, self.stored, self.state = path, stored, state
        self.prefix = f"{path(0).split('/', 1)[0]}/job={state.job.name}/"
        self._may_be = may_be
        self._gone = set[int]()
        self._blocks = dict[int, list[range]]()
        self._is_written = set[int]()
        self._width = len(self._line(0))
        with tempfile.TemporaryFile() as file:
            file.truncate(self._width * state.job.count)
            self._lines = mmap.mmap(file.fileno(), 0)

    def find(self, key: str) -> int | None:
        """The position of the object that is there under the key."""
        job, rest = self.state.job, key.removeprefix(self.prefix)
        digits = rest.partition("/")[2][:7] if job.teams else rest[:7]
        if not digits.isdecimal() or int(digits) >= job.count:
            return None
        position = job.position(int(digits))
        return position if self._is_there(position) and self.path(position) == key else None

    def _is_there(self, position: int) -> bool:
        is_hidden = position in self.state.hidden or position in self._gone
        return self._may_be(position) and not is_hidden

    def remove(self, position: int) -> None:
        self._gone.add(position)
        self.change(position)

    def change(self, position: int) -> None:
        """Whether it is there is another now, or since when."""
        number = position // _BLOCK
        self._blocks.pop(number, None)
        if number in self._is_written:
            self._write([position])

    def place(self, key: str) -> int:
        """How many positions come before the key, whether they are there or not."""
        count = self.state.job.count
        if key <= self.prefix:
            return 0
        if key >= self.prefix + AFTER_ALL:
            return count
        return bisect_left(range(count), key, key=self.path)

    def next(self, first: int, stop: int) -> int | None:
        """The first position of these whose object is there."""
        return next((run.start for run in self._runs(first, stop)), None)

    def lines(self, first: int, stop: int, limit: int) -> Iterator[tuple[bytes, int, int]]:
        """Of those that are there, `limit` at most: lines, how many, the position after them."""
        for run in self._runs(first, stop):
            some = run[:limit]
            if not some:
                return
            limit -= len(some)
            for number in range(some.start // _BLOCK, (some.stop - 1) // _BLOCK + 1):
                self._write_block(number)
            lines = self._lines[some.start * self._width : some.stop * self._width]
            yield lines, len(some), some.stop

    def write(self) -> None:
        """All lines, so that none has to be written when it is asked for."""
        for number in range(-(-self.state.job.count // _BLOCK)):
            self._write_block(number)

    def _runs(self, first: int, stop: int) -> Iterator[range]:
        """Neighbours of these that are there."""
        for number in range(first // _BLOCK, -(-stop // _BLOCK)):
            for run in self._block(number):
                some = range(max(run.start, first), min(run.stop, stop))
                if some:
                    yield some

    def _block(self, number: int) -> list[range]:
        runs = self._blocks.get(number)
        if runs is None:
            runs = self._blocks[number] = []
            for is_there, some in groupby(self._positions(number), key=self._is_there):
                if is_there:
                    start, *more = some
                    runs.append(range(start, start + 1 + len(more)))
        return runs

    def _positions(self, number: int) -> range:
        start = number * _BLOCK
        return range(start, min(start + _BLOCK, self.state.job.count))

    def _write_block(self, number: int) -> None:
        if number not in self._is_written:
            self._is_written.add(number)
            self._write(self._positions(number))

    def _write(self, positions: Iterable[int]) -> None:
        width = self._width
        for position in filter(self._may_be, positions):
            self._lines[position * width : (position + 1) * width] = self._line(position)

    def _line(self, position: int) -> bytes:
        return line(self.path(position), self.stored(position))


def line(key: str, stored: Stored, spelled: Spelled = escape) -> bytes:
    """An object in the answer to LIST."""
    return (
        f"<Contents><Key>{spelled(key)}</Key><LastModified>{_time_text(stored.modified_at)}</LastModified>"
        f"<ETag>&quot;{stored.md5}&quot;</ETag><Size>{stored.size}</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    ).encode()


@lru_cache(maxsize=1024)
def _time_text(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def records_of(state: State) -> Iterator[Records]:
    job = state.job

    def documents(make: Callable[[int], bytes]) -> Callable[[int], Stored]:
        def found(position: int) -> Stored:
            return _document(make(position), state.time(position))

        return found

    def artifact(position: int) -> Stored:
        return Stored(
            size=job.size,
            md5=job.artifact_md5(position),
            modified_at=state.time(position),
            content_type="text/plain",
            chunks=lambda start, stop: job.artifact(position, start, stop),
        )

    def has_result(position: int) -> bool:
        return not job.has_failed(position)

    failure, manifest = documents(job.failure), documents(job.manifest)
    yield Records(state, path=job.artifact_path, stored=artifact, may_be=has_result)
    yield Records(state, path=job.failure_path, stored=failure, may_be=job.has_failed)
    yield Records(state, path=job.manifest_path, stored=manifest, may_be=has_result)


def _document(data: bytes, modified_at: int) -> Stored:
    return Stored(
        size=len(data),
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        modified_at=modified_at,
        content_type="application/json",
        chunks=lambda start, stop: iter((data[start:stop],)),
    )
