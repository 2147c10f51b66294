"""A store whose calls are repeated while it is unavailable, for a bounded time."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from ..retrying import patiently
from .protocol import ObjectStore
from .streams import FileDigest

T = TypeVar("T")


class RetryingStore:
    """Repeats calls that fail with StoreUnavailableError, with exponential backoff and jitter.

    `timeout_seconds` bounds one call with all its repetitions; the last error is then raised.
    Deletions are not repeated: what they leave behind harms nobody.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        timeout_seconds: float,
        on_retry: Callable[[], None] = lambda: None,
    ) -> None:
        self.root = store.root
        self._store = store
        self._timeout_seconds = timeout_seconds
        self._on_retry = on_retry

    def put_file(self, key: str, path: Path, *, content_type: str) -> FileDigest:
        return self._call(lambda: self._store.put_file(key, path, content_type=content_type))

    def create(self, key: str, data: bytes, *, content_type: str) -> None:
        self._call(lambda: self._store.create(key, data, content_type=content_type))

    def put(self, key: str, data: bytes, *, content_type: str) -> None:
        self._call(lambda: self._store.put(key, data, content_type=content_type))

    def get(self, key: str) -> bytes:
        return self._call(lambda: self._store.get(key))

    def get_file(self, key: str, path: Path, *, max_bytes: int) -> str:
        def get_anew() -> str:
            # A download that broke off has left its first half; the store only makes new files.
            path.unlink(missing_ok=True)
            return self._store.get_file(key, path, max_bytes=max_bytes)

        return self._call(get_anew)

    def keys(self, prefix: str) -> set[str]:
        return self._call(lambda: self._store.keys(prefix))

    def delete(self, key: str) -> None:
        self._store.delete(key)

    def delete_all(self, keys: Sequence[str]) -> None:
        self._store.delete_all(keys)

    def _call(self, operation: Callable[[], T]) -> T:
        return patiently(
            operation,
            timeout_seconds=self._timeout_seconds,
            on_wait=lambda _: self._on_retry(),
        )
