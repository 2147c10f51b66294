"""Manifests from the job's index, where one call brings thousands of them."""

import contextlib
import functools
import hashlib
import itertools
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from truss_outbox.contract.errors import ManifestError, OutboxError
from truss_outbox.contract.keys import key_of_manifest
from truss_outbox.contract.manifest import Manifest

from ..bucket.bucket import Bucket
from ..bucket.foreign import ForeignObjects
from ..bucket.listed import StoredObject

if TYPE_CHECKING:
    from ..indexing.parts import IndexParts, Part, PartFile

_SOONER = 1_000
"""So many manifests come sooner one by one than the index is read."""

_MOST_OPEN = 8
"""Of what holds neighbours; an index that grew by one result at a time is of little use."""

_TRIED = 100


class IndexedManifests:
    """What the index of a job has of its manifests, asked for about in the order of their keys.

    It is derived, and another may have written it: only what gives the bytes whose MD5 the listing
    tells is taken. What reads it is loaded when it is needed. For one thread.
    """

    def __init__(self, bucket: Bucket, job: str) -> None:
        self._bucket = bucket.waiting()
        self._bucket.foreign = ForeignObjects()  # what is foreign to the index, `index` tells
        self._job = job
        self._asked = self._found = self._differing = 0
        self._stretches: deque[_Stretch] | None = None
        self._open: list[_Rows] = []
        self._copies: dict[str, PartFile] = {}
        self._stack = contextlib.ExitStack()

    def find(self, found: StoredObject) -> tuple[Manifest, bytes] | None:
        """The manifest and its bytes; None where it has to be read from the bucket."""
        self._asked += 1
        if self._asked <= _SOONER or found.md5 is None:
            return None
        try:
            record = self._record(key_of_manifest(found.key))
        except OutboxError:
            self.close()  # it is gone or damaged: the bucket itself has everything
            return None
        return None if record is None else self._rebuilt(record, found.md5)

    def _rebuilt(self, record: Mapping[str, Any], md5: str) -> tuple[Manifest, bytes] | None:
        from ..indexing import format as index_format  # noqa: PLC0415

        with contextlib.suppress(ManifestError, ValueError):
            manifest = index_format.manifest(self._job, record)
            data = manifest.to_bytes()
            if hashlib.md5(data, usedforsecurity=False).hexdigest() == md5:
                self._found += 1
                return manifest, data
        # Of a writer who spells manifests in another way, none will be the same.
        self._differing += 1
        if self._differing >= _TRIED and not self._found:
            self.close()
        return None

    def close(self) -> None:
        """Nothing is found any more."""
        self._stack.close()
        self._open, self._stretches = [], deque()
        self._copies.clear()

    def _record(self, key: str) -> dict[str, Any] | None:
        if self._stretches is None:
            self._stretches = deque(self._listed())
        while self._stretches and self._stretches[0].first <= key:
            stretch = self._stretches.popleft()
            if stretch.last >= key and len(self._open) < _MOST_OPEN:
                self._open.append(_Rows(self._copy_of(stretch.part).batches(stretch.group)))
        found = (rows.find(key) for rows in self._open)
        record = next((one for one in found if one is not None), None)
        self._open = [rows for rows in self._open if not rows.is_over]
        return record

    def _listed(self) -> list["_Stretch"]:
        parts = self._index.read().parts
        every = self._bucket.in_threads(partial(_stretches_of, self._index), parts)
        return sorted(itertools.chain.from_iterable(every), key=lambda one: one.first)

    def _copy_of(self, part: "Part") -> "PartFile":
        if part.key not in self._copies:
            opened = self._index.opened(part, copied=True)
            self._copies[part.key] = self._stack.enter_context(opened)
        return self._copies[part.key]

    @functools.cached_property
    def _index(self) -> "IndexParts":
        from ..indexing.parts import IndexParts  # noqa: PLC0415

        return IndexParts.of(self._bucket, self._job)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stretch:
    """Rows of a part that are sorted by key, from the `first` to the `last`."""

    part: "Part"
    group: int
    first: str
    last: str


def _stretches_of(index: "IndexParts", part: "Part") -> list[_Stretch]:
    with index.opened(part) as file:
        return [
            _Stretch(part=part, group=group, first=first, last=last)
            for group, (first, last) in enumerate(file.key_ranges())
        ]


class _Rows:
    """Of a stretch; the latest are at hand, as listings sort `a.json` and `a-b.json` otherwise."""

    def __init__(self, batches: Iterator[list[dict[str, Any]]]) -> None:
        self.is_over = False
        self._batches = batches
        self._last = ""
        self._older: dict[str, dict[str, Any]] = {}
        self._latest: dict[str, dict[str, Any]] = {}

    def find(self, key: str) -> dict[str, Any] | None:
        while self._last < key and not self.is_over:
            batch = next(self._batches, None)
            if batch is None:
                self.is_over = True
            else:
                self._older, self._latest = self._latest, {row["key"]: row for row in batch}
                self._last = batch[-1]["key"]
        return self._latest.get(key) or self._older.get(key)
