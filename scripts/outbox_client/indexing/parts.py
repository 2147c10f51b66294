"""The index of a job in the bucket: numbered parts, each created once and never changed.

A part is created under the number after the last one. So the writer of part n has read all parts
before it, and two runs at the same time cannot both add a result. Neighbours are merged into one
larger part (`compaction`), which is created before they are deleted: `part-<first>-<last>.parquet`
takes the place of the parts from `first` to `last`, and what is found under one of these numbers
beside it does not count. So it is with rows of deleted results (`purging`): what has the place of
the part, or of several, without them is the next edition, `part-<first>-<last>-<edition>.parquet`.
"""

import contextlib
import io
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from truss_outbox.contract.errors import (
    AlreadyExistsError,
    NotFoundError,
    OutboxError,
    StoreError,
    StoreUnavailableError,
)
from truss_outbox.contract.keys import short_segment

from ..bucket.bucket import Bucket
from ..bucket.records import only_records
from ..bucket.tombstones import NONE, Tombstones, readable_tombstones
from ..errors import DamagedIndexError
from ..local_files import local_files
from . import format as index_format
from .format import Piece

if TYPE_CHECKING:
    from pyarrow import Table
    from pyarrow.parquet import ParquetFile


class ObjectFile(io.RawIOBase):
    """Each read is one ranged GET. `size` is the object's, as a listing tells it."""

    def __init__(self, bucket: Bucket, key: str, *, size: int) -> None:
        self._bucket = bucket
        self._key = key
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        length = min(len(buffer), max(0, self._size - self._position))
        if length:
            data = self._bucket.get_range(self._key, start=self._position, length=length)
            length = len(data)
            buffer[:length] = data
            self._position += length
        return length


_NAME = re.compile(r"part-(\d{8})(?:-(\d{8})(?:-(\d{4,}))?)?\.parquet\Z")
_ROWS_AT_ONCE = 1_000
_WHOLE_BYTES = 1 << 20
_AFTER_ALL = "\U0010ffff"
_LISTINGS = 3
"""A listing is no snapshot: while parts are merged, one may lack both them and their merge."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Has the place of the parts from the `first` to the `last`: one, or several merged.

    The `edition` says how often rows of deleted results were left out of it.
    """

    first: int
    last: int
    key: str
    size: int
    edition: int = 0

    @property
    def is_small(self) -> bool:
        """One call brings it whole, rather than its end and then its columns."""
        return self.size <= _WHOLE_BYTES


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """The `parts` in order and without a gap; `covered` ones have been merged into them."""

    parts: list[Part]
    covered: list[Part]

    @property
    def next(self) -> int:
        """The number that the next part gets."""
        return self.parts[-1].last + 1 if self.parts else 0

    def since(self, number: int) -> list[Part]:
        """Those that hold the part of that number and the following."""
        return [part for part in self.parts if part.last >= number]


@contextlib.contextmanager
def _read(part: Part) -> Iterator[None]:
    """Raises DamagedIndexError for what is no part."""
    import pyarrow as pa  # noqa: PLC0415  # 0.3 seconds that other commands need not pay

    try:
        yield
    except OutboxError:
        raise
    except (pa.ArrowException, KeyError, OSError) as error:  # damaged Thrift is an OSError
        raise DamagedIndexError(part.key, "it cannot be read") from error


class PartFile:
    """A part that is being read."""

    def __init__(self, part: Part, file: "ParquetFile") -> None:
        self.part = part
        self._file = file

    def pieces(self) -> tuple[Piece, ...]:
        """What the part was made of; where it is not merged, itself."""
        return index_format.pieces(self._file.metadata, number=self.part.first)

    def job(self) -> str | None:
        """The job's whole name, where the part says it."""
        return index_format.job(self._file.metadata.metadata)

    def result_keys(self, deleted: Tombstones = NONE) -> Iterator[list[str]]:
        """Of the part's results that are not deleted; no more columns are read than that takes."""
        for some in self.results() if deleted.attempts else self._keys():
            yield [key for key, attempt in some if not deleted.has(key, attempt)]

    def results(self) -> Iterator[list[tuple[str, str]]]:
        """The keys and attempts of the part's rows, in order."""
        for batch in self._file.iter_batches(_ROWS_AT_ONCE, columns=["key", "attempt"]):
            columns = (batch.column(name).to_pylist() for name in ("key", "attempt"))
            yield list(zip(*columns, strict=True))

    def _keys(self) -> Iterator[list[tuple[str, str]]]:
        for batch in self._file.iter_batches(_ROWS_AT_ONCE, columns=["key"]):
            yield [(key, "") for key in batch.column("key").to_pylist()]

    def rows(
        self, *, skip: int = 0, columns: Sequence[str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """In the part's order, which never changes, after the first `skip`."""
        groups = list(range(self._file.metadata.num_row_groups))
        while groups and (rows := self._file.metadata.row_group(groups[0]).num_rows) <= skip:
            skip -= rows
            del groups[0]
        for batch in self._file.iter_batches(_ROWS_AT_ONCE, row_groups=groups, columns=columns):
            passed = min(skip, batch.num_rows)
            skip -= passed
            yield from batch.slice(passed).to_pylist()

    def key_ranges(self) -> list[tuple[str, str]]:
        """The first and the last key of each row group, which is sorted by them."""
        metadata = self._file.metadata
        column = metadata.schema.names.index("key")
        groups = map(metadata.row_group, range(metadata.num_row_groups))
        found = [group.column(column).statistics for group in groups]
        return [
            (one.min, one.max) if one is not None and one.has_min_max else ("", _AFTER_ALL)
            for one in found
        ]

    def batches(self, group: int) -> Iterator[list[dict[str, Any]]]:
        """The rows of a row group in order, some at a time."""
        with _read(self.part):
            for batch in self._file.iter_batches(_ROWS_AT_ONCE, row_groups=[group]):
                yield batch.to_pylist()

    def tables(self) -> "Iterator[Table]":
        """All rows in order, a row group at a time."""
        return map(self._file.read_row_group, range(self._file.metadata.num_row_groups))


class IndexParts:
    """The parts of one job's index. All methods raise StoreError and DamagedIndexError."""

    def __init__(self, bucket: Bucket, *, folder: str, job: str | None = None) -> None:
        self._job = job
        self._deleted = NONE
        self.prefix = f"index/job={folder}/"
        self._trial = f"{self.prefix}_trial"  # readers of folders pass such names over
        self.bucket = bucket

    @classmethod
    def of(cls, bucket: Bucket, job: str) -> Self:
        return cls(bucket, folder=short_segment(job), job=job)

    def deleted(self) -> Tombstones:
        """What was deleted of the job until now: no row of it counts. One listing."""
        if self._job is not None:
            self._deleted = readable_tombstones(self.bucket, self._job, known=self._deleted)
        return self._deleted

    def read(self) -> Contents:
        for _ in range(_LISTINGS - 1):
            with contextlib.suppress(DamagedIndexError):
                return self._listed()
        return self._listed()

    def create(self, number: int, data: bytes) -> None:
        """Nothing where the number is taken: by another run, or by this one if the reply was lost.

        What lies there then, and whether it counts, `read` and `pieces` tell.
        """
        with contextlib.suppress(AlreadyExistsError):
            self.bucket.create_new(self._key(number), data)

    def create_merged(self, first: int, last: int, data: bytes, *, edition: int = 0) -> None:
        """Nothing where it is there: whoever made it, has put the same rows into it."""
        with contextlib.suppress(AlreadyExistsError):
            self.bucket.create_new(self._key(first, last, edition), data)

    def may_delete(self) -> bool:
        """Whether the bucket lets go what is created here: it is tried out."""
        try:
            self.bucket.create(self._trial, b"\n")
            self.bucket.delete(self._trial)
        except NotFoundError:  # another run has tried it too
            return True
        except StoreUnavailableError:
            raise
        except StoreError:
            return False
        return True

    def delete(self, parts: Iterable[Part]) -> None:
        """As far as the bucket lets them go."""
        self.bucket.delete_many((part.key for part in parts), lambda _key, _error: None)

    def pieces(self, part: Part) -> tuple[Piece, ...]:
        with self.opened(part) as file:
            return file.pieces()

    @contextlib.contextmanager
    def opened(self, part: Part, *, copied: bool = False) -> Iterator["PartFile"]:
        """Raises NotFoundError where it has been merged meanwhile, then and while it is read.

        A copy, which lies on this machine's disk meanwhile, comes in one call: to read all of it.
        """
        from pyarrow import parquet  # noqa: PLC0415  # 0.3 seconds that others need not pay

        with (
            _read(part),
            self._file(part, copied=copied) as stored,
            parquet.ParquetFile(stored) as file,
        ):
            yield PartFile(part, file)

    def _file(self, part: Part, *, copied: bool) -> AbstractContextManager[io.IOBase | BinaryIO]:
        if part.is_small:
            return io.BytesIO(self.bucket.get(part.key, max_bytes=_WHOLE_BYTES))
        if copied:
            return self._copied(part)
        return ObjectFile(self.bucket, part.key, size=part.size)

    @contextlib.contextmanager
    def _copied(self, part: Part) -> Iterator[BinaryIO]:
        with local_files, tempfile.TemporaryFile() as file:
            for chunk in self.bucket.range_chunks(part.key, start=0, length=part.size):
                file.write(chunk)
            yield file

    def _listed(self) -> Contents:
        listed = self.bucket.objects(self.prefix)
        own = only_records(
            self.bucket,
            listed,
            lambda found: found.key == self._trial or self._numbers(found.key) is not None,
        )
        parts = [
            Part(
                first=numbers[0],
                last=numbers[1],
                edition=numbers[2],
                key=found.key,
                size=found.size,
            )
            for found in own
            if (numbers := self._numbers(found.key))
        ]
        # Of those that begin at one number, the largest first, and its latest edition.
        parts.sort(key=lambda part: (part.first, -part.last, -part.edition))
        contents = Contents(parts=[], covered=[])
        for part in parts:
            if part.last < contents.next:
                contents.covered.append(part)
            elif part.first == contents.next:
                contents.parts.append(part)
            else:
                raise DamagedIndexError(self._key(contents.next), "the part is missing")
        return contents

    def _key(self, first: int, last: int | None = None, edition: int = 0) -> str:
        merged = "" if last is None else f"-{last:08d}"
        merged += f"-{edition:04d}" if edition else ""
        return f"{self.prefix}part-{first:08d}{merged}.parquet"

    def _numbers(self, key: str) -> tuple[int, int, int] | None:
        name = _NAME.match(key.removeprefix(self.prefix))
        if name is None:
            return None
        first, last = int(name[1]), int(name[2] or name[1])
        return (first, last, int(name[3] or 0)) if first <= last else None
