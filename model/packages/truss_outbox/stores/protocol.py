"""What the writer needs of a bucket."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from .streams import FileDigest

MOST_DELETED = 1000
"""Objects with one call."""


class ObjectStore(Protocol):
    """Objects under a root. Keys are relative to it, made by `truss_outbox.contract.keys`.

    Every method is safe to call from several threads. What a store cannot do raises a StoreError:
    AccessDeniedError, StoreUnavailableError (worth repeating), or the plain one.
    """

    @property
    def root(self) -> str:
        """The root's URL, without a slash at its end."""

    def put_file(self, key: str, path: Path, *, content_type: str) -> FileDigest:
        """Store a file, streamed from disk; readers see all of it or nothing.

        The digest is taken while the file is read. If the file changes meanwhile, either StoreError
        is raised or the digest is that of the bytes that were stored.
        """

    def create(self, key: str, data: bytes, *, content_type: str) -> None:
        """Store `data` if nothing has this key, atomically: of several callers one succeeds.

        Raises AlreadyExistsError, also when an earlier call of the same caller stored `data` and
        its reply was lost, and NotImplementedByStoreError where the store has no such call.
        """

    def put(self, key: str, data: bytes, *, content_type: str) -> None:
        """Store `data` whether or not something has this key: only for a store without creates."""

    def get(self, key: str) -> bytes:
        """The whole object. Raises NotFoundError."""

    def get_file(self, key: str, path: Path, *, max_bytes: int) -> str:
        """Stream the object into a new file; returns its SHA-256 (hex).

        Raises NotFoundError and ObjectTooLargeError.
        """

    def keys(self, prefix: str) -> set[str]:
        """The keys below `prefix`, which ends in a slash. All of them are in memory."""

    def delete(self, key: str) -> None:
        """Delete the object; it is no error if there is none."""

    def delete_all(self, keys: Sequence[str]) -> None:
        """Delete up to MOST_DELETED objects; it is no error if some are not there.

        Where it raises, others of them may be gone.
        """
