"""What is to be deleted of a job, and what came of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from truss_outbox.contract.errors import AccessDeniedError, StoreError

from ..bucket.bucket import Bucket
from ..bucket.listed import StoredObject
from ..bucket.native import DELETED_AT_ONCE
from ..bucket.tombstones import NONE, Tombstones
from ..upkeep.found import Undeleted
from ..upkeep.sweep import HELD


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """Of which items a job's results go: those of these names, with all of these labels, that are
    older, by the bucket's clock. Without any of it the whole job goes."""

    items: frozenset[str] = frozenset()
    labels: Mapping[str, str] = field(default_factory=dict)
    older_than: timedelta | None = None

    @property
    def is_whole_job(self) -> bool:
        return not (self.items or self.labels or self.older_than is not None)

    def takes_item(self, item: str) -> bool:
        return not self.items or item in self.items

    def takes(self, item: str, labels: Mapping[str, str], at: datetime, *, now: datetime) -> bool:
        return (
            self.takes_item(item)
            and self.labels.items() <= labels.items()
            and (self.older_than is None or at <= now - self.older_than)
        )


WHOLE_JOB = Scope()


@dataclass(kw_only=True, slots=True)
class Deletion:
    """What has gone until now; where nothing `is_deleted`, what would go.

    `submissions` counts objects that have gone, or have lines less. `undeleted` is what the bucket
    does not let go, `notes` say what is left on purpose, and what to do about it.
    """

    job: str
    is_whole_job: bool
    is_deleted: bool
    results: int = 0
    artifacts: int = 0
    artifacts_bytes: int = 0
    failures: int = 0
    index_rows: int = 0
    submissions: int = 0
    inputs: int = 0
    inputs_bytes: int = 0
    accounts: int = 0
    undeleted: list[Undeleted] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_being_sent: bool = False
    """By a process that goes on with it."""
    tombstones: Tombstones = field(default=NONE, repr=False)
    """Of what goes, and of what went before."""

    @property
    def is_nothing(self) -> bool:
        names = ("results", "artifacts", "failures", "index_rows", "submissions", "inputs")
        return not any(getattr(self, name) for name in (*names, "accounts"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Remover:
    """Deletes objects, or only counts them, as the deletion does."""

    bucket: Bucket
    deletion: Deletion

    def remove(self, objects: Iterable[StoredObject]) -> tuple[int, int]:
        """How many went, and their bytes; what did not is in the deletion. Raises StoreError."""
        count = size = 0
        for some in in_batches(objects, DELETED_AT_ONCE):
            kept = self._kept(some)
            gone = [one.size for one in some if one.key not in kept]
            count, size = count + len(gone), size + sum(gone)
        return count, size

    def _kept(self, objects: list[StoredObject]) -> set[str]:
        if not self.deletion.is_deleted:
            return set()
        errors = dict[str, StoreError]()
        keys = [found.key for found in objects]
        self.bucket.delete_many(keys, partial(_note, errors))
        for key, error in sorted(errors.items()):
            why = HELD if isinstance(error, AccessDeniedError) else str(error)
            self.deletion.undeleted.append(Undeleted(key=key, why=why.removeprefix(f"{key}: ")))
        return set(errors)


def _note(errors: dict[str, StoreError], key: str, error: StoreError | None) -> None:
    if error is not None:
        errors[key] = error


def in_batches(objects: Iterable[StoredObject], size: int) -> Iterator[list[StoredObject]]:
    some = list[StoredObject]()
    for found in objects:
        some.append(found)
        if len(some) >= size:
            yield some
            some = []
    if some:
        yield some
