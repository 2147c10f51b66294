"""What a sweep finds, and what becomes of it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Orphan:
    """Objects below `prefix` that belong to no result. `deleted`: they are gone now."""

    prefix: str
    keys: tuple[str, ...]
    size: int
    deleted: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """Something that looks like an orphan and is left alone; `why` says what to do about it."""

    prefix: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Undeleted:
    """An orphan, or an unfinished upload, that the bucket does not let go."""

    key: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class UnfinishedUpload:
    """`key` is relative to the root. `aborted`: its parts are gone now."""

    key: str
    initiated_at: datetime
    aborted: bool = False


Swept = Orphan | Kept | Undeleted | UnfinishedUpload
