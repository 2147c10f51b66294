"""A store in this process's memory: a real one, for tests and trials."""

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

from ..contract.errors import AlreadyExistsError, NotFoundError, ObjectTooLargeError
from .streams import FileDigest


class MemoryStore:
    def __init__(self, root: str = "memory://") -> None:
        self.root = root
        self._objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def put_file(self, key: str, path: Path, *, content_type: str) -> FileDigest:  # noqa: ARG002
        data = path.read_bytes()
        with self._lock:
            self._objects[key] = data
        return FileDigest.of(data)

    def create(self, key: str, data: bytes, *, content_type: str) -> None:  # noqa: ARG002
        with self._lock:
            if key in self._objects:
                raise AlreadyExistsError(key)
            self._objects[key] = data

    def put(self, key: str, data: bytes, *, content_type: str) -> None:  # noqa: ARG002
        with self._lock:
            self._objects[key] = data

    def get(self, key: str) -> bytes:
        with self._lock:
            if key not in self._objects:
                raise NotFoundError(key)
            return self._objects[key]

    def get_file(self, key: str, path: Path, *, max_bytes: int) -> str:
        data = self.get(key)
        if len(data) > max_bytes:
            raise ObjectTooLargeError(key, max_bytes=max_bytes)
        path.write_bytes(data)
        return hashlib.sha256(data).hexdigest()

    def keys(self, prefix: str) -> set[str]:
        return {key for key in self.all_keys() if key.startswith(prefix)}

    def delete(self, key: str) -> None:
        with self._lock:
            self._objects.pop(key, None)

    def delete_all(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.delete(key)

    def all_keys(self) -> list[str]:
        """Every key, sorted."""
        with self._lock:
            return sorted(self._objects)
