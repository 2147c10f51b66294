"""Reading an index as far as it is not known on this machine."""

import contextlib
from collections.abc import Mapping
from functools import partial

from truss_outbox.contract.errors import NotFoundError

from ..bucket.tombstones import Tombstones
from ..threads import in_threads
from .format import Piece
from .known import KnownManifests
from .parts import Contents, IndexParts, Part

_AT_ONCE = 8
"""Of the parts: each that is read takes megabytes."""

_TRIES = 5
"""Each time, others have merged what was being read."""


def catch_up(index: IndexParts, known: KnownManifests) -> tuple[Contents, int]:
    """What the index has, all of which is known then; and how many results these are.

    Raises StoreError, DamagedIndexError and sqlite3.Error.
    """
    for _ in range(_TRIES - 1):
        with contextlib.suppress(NotFoundError):
            return _catch_up(index, known)
    return _catch_up(index, known)


def _catch_up(index: IndexParts, known: KnownManifests) -> tuple[Contents, int]:
    kept, deleted = known.pieces(), index.deleted()
    contents, rows = index.read(), 0  # after that: what another process knows by now is there, too
    workers = min(_AT_ONCE, index.bucket.workers)
    glances = in_threads(partial(_glance, index, kept, deleted), contents.parts, workers=workers)
    if any(number >= contents.next for number in kept):
        return _anew(index, known)
    for part, pieces, keys in glances:
        rows += sum(piece.left for piece in pieces)
        if any(kept.get(piece.number, piece.part_id) != piece.part_id for piece in pieces):
            return _anew(index, known)
        if keys is not None:
            known.add(pieces, [keys])
        elif not _has(kept, pieces):
            with index.opened(part) as file:
                known.add(pieces, file.result_keys(deleted))
    return contents, rows


def _anew(index: IndexParts, known: KnownManifests) -> tuple[Contents, int]:
    """The index is another than the one that is known."""
    known.forget()
    return _catch_up(index, known)


Glance = tuple[Part, tuple[Piece, ...], list[str] | None]


def _glance(index: IndexParts, kept: Mapping[int, str], deleted: Tombstones, part: Part) -> Glance:
    """What the part was made of, and of a small one that is not known its keys."""
    with index.opened(part) as file:
        pieces = file.pieces()
        if not part.is_small or _has(kept, pieces):
            return part, pieces, None
        return part, pieces, [key for some in file.result_keys(deleted) for key in some]


def _has(kept: Mapping[int, str], pieces: tuple[Piece, ...]) -> bool:
    return all(kept.get(piece.number) == piece.part_id for piece in pieces)
