"""What lies in the synthetic bucket, in byte order: what jobs are made of, and what was put."""

import hashlib
import mmap
import os
import tempfile
import time
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from xml.sax.saxutils import escape

from .synthetic_job import SyntheticJob, now

Spelled = Callable[[str], str]
"""How a key is written in an answer."""

_BLOCK = 1000
_CHUNK_BYTES = 256 << 10
_AFTER_ALL = "\U0010ffff"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """An object; `chunks` gives the bytes from one place up to another, some at a time."""

    size: int
    md5: str
    modified_at: int
    content_type: str
    chunks: Callable[[int, int], Iterator[bytes]]


@dataclass(slots=True)
class _State:
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
        state: _State,
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
        if key >= self.prefix + _AFTER_ALL:
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


def _records_of(state: _State) -> Iterator[Records]:
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


class PutFile:
    """The bytes of what was put, one after the other in a file without a name."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # it ends with the process
        self._end = 0

    def append(self, data: bytes) -> tuple[int, int]:
        """From where to where they lie in the file."""
        start, self._end = self._end, self._end + len(data)
        os.pwrite(self._file.fileno(), data, start)
        return start, self._end

    def chunks(self, pieces: Sequence[tuple[int, int]], start: int, stop: int) -> Iterator[bytes]:
        """Bytes `start` to `stop` of what the pieces make together."""
        for begin, end in pieces:
            place, last = begin + max(start, 0), min(end, begin + stop)
            while place < last:
                size = min(_CHUNK_BYTES, last - place)
                yield os.pread(self._file.fileno(), size, place)
                place += size
            start, stop = start - (end - begin), stop - (end - begin)


@dataclass(slots=True)
class Page:
    """Of a listing: `lines` of objects, folders, and where the next page begins, if there is."""

    lines: list[bytes] = field(default_factory=list)
    count: int = 0
    folders: list[str] = field(default_factory=list)
    next: str | None = None


class Contents:
    def __init__(self, jobs: Sequence[SyntheticJob]) -> None:
        self.states = {job.name: _State(job) for job in jobs}
        every = [one for state in self.states.values() for one in _records_of(state)]
        self._records = sorted(every, key=lambda one: one.prefix)
        self._by_prefix = {one.prefix: one for one in every}
        self._put = dict[str, Stored]()
        self._put_keys = list[str]()
        self.file = PutFile()

    def find(self, key: str) -> Stored | None:
        found = self._put.get(key)
        if found is None and (made := self._made(key)):
            return made[0].stored(made[1])
        return found

    def _made(self, key: str) -> tuple[Records, int] | None:
        kind, _, rest = key.partition("/")
        records = self._by_prefix.get(f"{kind}/{rest.partition('/')[0]}/")
        position = None if records is None else records.find(key)
        return None if records is None or position is None else (records, position)

    def put(self, key: str, stored: Stored) -> None:
        if made := self._made(key):
            made[0].remove(made[1])
        if key not in self._put:
            insort(self._put_keys, key)
        self._put[key] = stored

    def delete(self, key: str) -> None:
        if self._put.pop(key, None):
            del self._put_keys[bisect_left(self._put_keys, key)]
        elif made := self._made(key):
            made[0].remove(made[1])

    def hide(self, name: str, numbers: Iterable[int]) -> None:
        """Nothing of these requests is there, as if they had not ended."""
        state = self.states[name]
        hidden = set(map(state.job.position, numbers))
        state.hidden |= hidden
        self._change(name, hidden)

    def show(self, name: str, numbers: Iterable[int]) -> None:
        """What was hidden is there, stored just now."""
        state, stored_at = self.states[name], now()
        shown = state.hidden.intersection(map(state.job.position, numbers))
        state.shown_at |= dict.fromkeys(shown, stored_at)
        state.hidden -= shown
        self._change(name, shown)

    def _change(self, name: str, positions: Iterable[int]) -> None:
        for records in self._records:
            if records.state is self.states[name]:
                for position in positions:
                    records.change(position)

    def write(self) -> None:
        """All listings, so that none has to be made when it is asked for."""
        for records in self._records:
            records.write()

    def page(self, prefix: str, begin: str, limit: int, spelled: Spelled) -> Page:
        """Up to so many objects, from the key `begin` on."""
        page, high = Page(), prefix + _AFTER_ALL
        for records, first, stop in self._runs(max(prefix, begin), high):
            place = first
            if records is None:
                place = min(stop, first + limit - page.count)
                some = self._put_keys[first:place]
                page.lines += [line(key, self._put[key], spelled) for key in some]
                page.count += len(some)
            else:
                for lines, count, after in records.lines(first, stop, limit - page.count):
                    page.lines.append(lines)
                    page.count += count
                    place = after
            page.next = self._key(records, place, stop) if page.count == limit else None
            if page.next is not None:
                break
        return page

    def _key(self, records: Records | None, first: int, stop: int) -> str | None:
        """The first that is there of these places."""
        if records is None:
            return self._put_keys[first] if first < stop else None
        position = records.next(first, stop)
        return None if position is None else records.path(position)

    def folders_page(
        self, prefix: str, begin: str, limit: int, spelled: Spelled, *, delimiter: str
    ) -> Page:
        """The same, where keys that share what comes up to the delimiter are one folder."""
        page, high, key = Page(), prefix + _AFTER_ALL, max(prefix, begin)
        while (found := self._next(key, high)) is not None:
            if page.count + len(page.folders) == limit:
                page.next = found
                return page
            name, is_folder, _ = found[len(prefix) :].partition(delimiter)
            if is_folder:
                page.folders.append(f"{prefix}{name}{delimiter}")
                key = page.folders[-1] + _AFTER_ALL
            else:
                stored = self.find(found)
                assert stored is not None
                page.lines.append(line(found, stored, spelled))
                page.count += 1
                key = found + "\0"
        return page

    def _next(self, low: str, high: str) -> str | None:
        keys = (self._key(*run) for run in self._runs(low, high))
        return next((key for key in keys if key is not None), None)

    def _runs(self, low: str, high: str) -> Iterator[tuple[Records | None, int, int]]:
        """What lies from `low` to before `high`: places in records, and of what was put (None)."""
        put, end = bisect_left(self._put_keys, low), bisect_left(self._put_keys, high)
        for records in self._records:
            first, stop = records.place(low), records.place(high)
            while first < stop:
                until = bisect_right(self._put_keys, records.path(first), put, end)
                if until > put:
                    yield None, put, until
                    put = until
                cut = min(stop, records.place(self._put_keys[put])) if put < end else stop
                yield records, first, cut
                first = cut
        if put < end:
            yield None, put, end
