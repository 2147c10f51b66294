"""What a listing says of objects: one by one, or by pages."""

import functools
import re
from bisect import bisect_right
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
        self, keys: Sequence[str], at: Callable[[int], StoredObject], *, has_empty: bool = False
    ) -> None:
        """`at` makes the object of the key at a place. `has_empty`: one has no bytes, as is known
        of obstore's pages alone."""
        self.keys = keys
        self.has_empty = has_empty
        self._at = at

    @classmethod
    def of_batch(cls, batch: "RecordBatch") -> Self:
        """As obstore lists them."""
        column = functools.cache(partial(_column, batch))

        def at(place: int) -> StoredObject:
            return StoredObject(
                key=column("path")[place],
                size=column("size")[place],
                modified_at=column("last_modified")[place],
                e_tag=column("e_tag")[place],
            )

        return cls(column("path"), at, has_empty=0 in column("size"))

    @classmethod
    def of(cls, objects: Sequence[StoredObject]) -> Self:
        return cls([found.key for found in objects], objects.__getitem__)

    @property
    def last_key(self) -> str:
        return self.keys[-1]

    def up_to(self, until: str | None) -> Sequence[str]:
        """Its keys <= `until`, where they are sorted; None is no bound."""
        return self.keys if until is None else self.keys[: bisect_right(self.keys, until)]

    def entries(self, until: str | None) -> bytes:
        """What tells a page with other keys up to there from this one."""
        return "\n".join([*self.up_to(until), ""]).encode()

    def __iter__(self) -> Iterator[StoredObject]:
        return self.only(range(len(self.keys)))

    def only(self, places: Iterable[int]) -> Iterator[StoredObject]:
        return map(self._at, places)


def _column(batch: "RecordBatch", name: str) -> list[Any]:
    values: Any = batch.column(name).to_pylist()
    return values  # type: ignore[no-any-return]  # its stubs say an array
