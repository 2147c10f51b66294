"""What lies in the synthetic bucket, in byte order: what jobs are made of, and what was put."""

import os
import tempfile
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from .records import AFTER_ALL, Records, Spelled, State, Stored, line, records_of
from .synthetic_job import SyntheticJob, now

_CHUNK_BYTES = 256 << 10


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
        self.states = {job.name: State(job) for job in jobs}
        every = [one for state in self.states.values() for one in records_of(state)]
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
        page, high = Page(), prefix + AFTER_ALL
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
        page, high, key = Page(), prefix + AFTER_ALL, max(prefix, begin)
        while (found := self._next(key, high)) is not None:
            if page.count + len(page.folders) == limit:
                page.next = found
                return page
            name, is_folder, _ = found[len(prefix) :].partition(delimiter)
            if is_folder:
                page.folders.append(f"{prefix}{name}{delimiter}")
                key = page.folders[-1] + AFTER_ALL
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
