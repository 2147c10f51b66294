"""What a listing says of objects: one by one, or by pages."""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from arro3.core import RecordBatch

_MD5 = re.compile(r'"?([0-9a-f]{32})"?')


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredObject:
    """What a listing says of an object; `modified_at` has a time zone.

    `e_tag` as the bucket writes it, where the listing has one.
    """

    key: str
    size: int
    modified_at: datetime
    e_tag: str | None = None

    @property
    def md5(self) -> str | None:
        """Of its bytes, in hex, where the tag is one: mostly, of what was not stored in parts."""
        match = _MD5.fullmatch(self.e_tag or "")
        return match and match[1]


class ListedPage:
    """A page of a listing, for who looks at millions and wants to know more of few.

    An object of its own for each would take most of the time that a listing takes.
    """

    def __init__(
        self,
        keys: Sequence[str],
        sizes: Callable[[], Sequence[int]],
        others: Callable[[], Sequence[tuple[datetime, str | None]]],
    ) -> None:
        """`others` are each object's time and tag."""
        self.keys = keys
        self._sizes = sizes
        self._others = others

    @classmethod
    def of_batch(cls, batch: "RecordBatch") -> Self:
        """As obstore lists them."""
        column = partial(_column, batch)
        others = lambda: list(zip(column("last_modified"), column("e_tag"), strict=True))  # noqa: E731
        return cls(column("path"), partial(column, "size"), others)

    @classmethod
    def of(cls, objects: Sequence[StoredObject]) -> Self:
        return cls(
            [found.key for found in objects],
            lambda: [found.size for found in objects],
            lambda: [(found.modified_at, found.e_tag) for found in objects],
        )

    @functools.cached_property
    def sizes(self) -> Sequence[int]:
        return self._sizes()

    @functools.cached_property
    def others(self) -> Sequence[tuple[datetime, str | None]]:
        """When each was written, and its tag."""
        return self._others()

    def __iter__(self) -> Iterator[StoredObject]:
        return self.only(range(len(self.keys)))

    def only(self, places: Iterable[int]) -> Iterator[StoredObject]:
        for place in places:
            modified_at, e_tag = self.others[place]
            yield StoredObject(
                key=self.keys[place],
                size=self.sizes[place],
                modified_at=modified_at,
                e_tag=e_tag,
            )


def _column(batch: "RecordBatch", name: str) -> list[Any]:
    values: Any = batch.column(name).to_pylist()
    return values  # type: ignore[no-any-return]  # its stubs say an array
