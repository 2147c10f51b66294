"""A job's results in parts of about the same size, for workers that share nothing."""

import functools
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.keys import DEFAULT_TEMPLATE, KeyTemplate, key_of_manifest
from truss_outbox.contract.root import Root

from ..bucket.bucket import Bucket
from ..bucket.foreign import ForeignObjects
from ..bucket.listed import ListedPage
from ..bucket.naming import Naming
from ..bucket.open_bucket import Connection, open_bucket
from ..bucket.records import MANIFESTS, is_manifest_path
from .inventory import inventory_names

if TYPE_CHECKING:
    from ..bucket.listed import StoredObject

_SAMPLE = 100_000
"""Of all paths: of more than these, ranges differ by a percent or two."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyRange:
    """The keys of a job's results after one and up to another: going through it lists them.

    It says how the bucket is reached and holds no credentials: a worker finds its own, as every
    command does. It can be pickled, and read any number of times.
    """

    root: str
    job: str
    prefix: str
    """What the job's keys begin with."""
    after: str | None = None
    until: str | None = None
    """Manifests' paths; None is no bound."""
    connection: Connection
    workers: int | None = None
    """Calls to the bucket at a time, at most."""

    def __iter__(self) -> Iterator[str]:
        """The keys. Raises StoreError."""
        for page in self.pages(self.bucket()):
            yield from map(key_of_manifest, filter(is_manifest_path, page.keys))

    def bucket(self) -> Bucket:
        """Opened once in a process. What is foreign to it is this call's alone."""
        bucket = _opened(self.root, tuple(sorted(self.connection.items())))
        bucket = bucket.waiting(workers=self.workers)
        bucket.foreign = ForeignObjects()
        return bucket

    def pages(self, bucket: Bucket) -> Iterator[ListedPage]:
        """What is listed between its bounds. Raises StoreError."""
        is_sorted = bucket.lists_in_order
        listed = bucket.pages(MANIFESTS + self.prefix, after=self.after if is_sorted else None)
        for page in listed:
            is_last = is_sorted and self.until is not None and page.keys[-1] >= self.until
            within = [place for place, path in enumerate(page.keys) if self._has(path)]
            if len(within) == len(page.keys):
                yield page
            elif within:
                found: list[StoredObject] = list(page.only(within))
                yield ListedPage.of(found)
            if is_last:
                return

    def _has(self, path: str) -> bool:
        is_after = self.after is None or path > self.after
        return is_after and (self.until is None or path <= self.until)


@functools.lru_cache(maxsize=8)
def _opened(root: str, connection: tuple[tuple[str, object], ...]) -> Bucket:
    return open_bucket(root, **dict(connection))  # type: ignore[arg-type]  # its own items


def ranges(
    root: str,
    job: str,
    n: int,
    *,
    inventory: str | None = None,
    key_template: str = DEFAULT_TEMPLATE,
    workers: int | None = None,
    **connection: Unpack[Connection],
) -> list[KeyRange]:
    """All results of the job in at most `n` ranges, of which none overlap.

    Where to cut is found by listing the job's manifests, a thousand a call; or in an `inventory`
    report of the bucket, named by its manifest.json: S3 Inventory's, or that of Cloud Storage. It
    may be of yesterday, as a range lists itself when it is read: results that came since are in it
    too. Each worker makes at most `workers` calls at a time; as many as get more done without it.
    Raises InvalidInputError, ConfigurationError and StoreError.
    """
    if n < 1:
        raise InvalidInputError("n", "is the number of ranges: 1 or more")
    prefix = Naming(template=KeyTemplate.parse(key_template)).prefix(job)
    whole = KeyRange(
        root=str(Root.parse(root)), job=job, prefix=prefix, connection=connection, workers=workers
    )
    cuts = _cuts(_paths(whole, inventory), n)
    return [
        KeyRange(
            root=whole.root,
            job=job,
            prefix=prefix,
            after=after,
            until=until,
            connection=connection,
            workers=workers,
        )
        for after, until in zip([None, *cuts], [*cuts, None], strict=True)
    ]


def _paths(whole: KeyRange, inventory: str | None) -> Iterator[str]:
    if inventory is None:
        return (path for page in whole.pages(whole.bucket()) for path in page.keys)
    root = Root.parse(whole.root)
    above = len(root.object_name(""))
    begin = root.object_name(MANIFESTS + whole.prefix)
    names = inventory_names(inventory, bucket=root.bucket, **whole.connection)
    return (name[above:] for name in names if name.startswith(begin))


def _cuts(paths: Iterable[str], n: int) -> list[str]:
    """At most n - 1 of them, in order, by a sample that takes little memory."""
    chance, sample = random.Random(n), list[str]()  # noqa: S311  # nobody's secret
    for count, path in enumerate(paths):
        if count < _SAMPLE:
            sample.append(path)
        elif (place := chance.randrange(count + 1)) < _SAMPLE:
            sample[place] = path
    sample.sort()
    places = (len(sample) * number // n for number in range(1, n))
    return list(dict.fromkeys(sample[place] for place in places if place < len(sample)))
