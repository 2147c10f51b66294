"""The index of a job in the bucket: numbered parts, each created once and never changed.

A part is created under the number after the last one, and never replaced. So the writer of part n
has read all parts before it, and two runs at the same time cannot both add a result.
"""

import contextlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from truss_outbox.contract.errors import AlreadyExistsError
from truss_outbox.contract.keys import short_segment

from ..bucket.bucket import Bucket
from ..bucket.records import only_records
from ..errors import DamagedIndexError
from . import format as index_format

if TYPE_CHECKING:
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


_NAME = re.compile(r"part-(\d{8})\.parquet\Z")
_ROWS_AT_ONCE = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """The `number`-th part, from 0."""

    number: int
    key: str
    size: int


class IndexParts:
    """The parts of one job's index. All methods raise StoreError and DamagedIndexError."""

    def __init__(self, bucket: Bucket, *, job: str) -> None:
        self.prefix = f"index/job={short_segment(job)}/"
        self._bucket = bucket

    def parts(self) -> list[Part]:
        """In order and without a gap."""
        listed = self._bucket.objects(self.prefix)
        own = only_records(self._bucket, listed, lambda found: self._name(found.key) is not None)
        parts = [
            Part(number=int(name[1]), key=found.key, size=found.size)
            for found in own
            if (name := self._name(found.key))
        ]
        parts.sort(key=lambda part: part.number)
        for number, part in enumerate(parts):
            if part.number != number:
                raise DamagedIndexError(self._key(number), "the part is missing")
        return parts

    def create(self, number: int, data: bytes) -> Part | None:
        """None where the number is taken: by another run, or by this one if the reply was lost."""
        key = self._key(number)
        try:
            self._bucket.create_new(key, data)
        except AlreadyExistsError:
            return None
        return Part(number=number, key=key, size=len(data))

    def find(self, number: int) -> Part:
        (part,) = (part for part in self.parts() if part.number == number)
        return part

    def identity(self, part: Part) -> str:
        """The part's id. An index that was made anew has other parts under the same numbers."""
        with self._opened(part) as file:
            return index_format.part_id(file.schema_arrow.metadata)

    def keys(self, part: Part) -> Iterator[list[str]]:
        """The keys of the part's results; only this column is read."""
        with self._opened(part) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE, columns=["key"]):
                yield batch.column("key").to_pylist()

    def rows(self, part: Part) -> Iterator[dict[str, Any]]:
        """In the part's order, which never changes."""
        with self._opened(part) as file:
            for batch in file.iter_batches(_ROWS_AT_ONCE):
                yield from batch.to_pylist()

    def _key(self, number: int) -> str:
        return f"{self.prefix}part-{number:08d}.parquet"

    def _name(self, key: str) -> re.Match[str] | None:
        return _NAME.match(key.removeprefix(self.prefix))

    @contextlib.contextmanager
    def _opened(self, part: Part) -> Iterator["ParquetFile"]:
        import pyarrow as pa  # noqa: PLC0415  # 0.3 seconds that other commands need not pay
        from pyarrow import parquet  # noqa: PLC0415

        try:
            with (
                ObjectFile(self._bucket, part.key, size=part.size) as stored,
                parquet.ParquetFile(stored) as file,
            ):
                yield file
        except (pa.ArrowException, KeyError) as error:
            raise DamagedIndexError(part.key, "it cannot be read") from error
