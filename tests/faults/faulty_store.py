"""A store that fails at one chosen call, in one chosen way."""

import os
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, TypeVar

from truss_outbox.contract.errors import StoreUnavailableError
from truss_outbox.stores import ObjectStore
from truss_outbox.stores.streams import FileDigest

T = TypeVar("T")

KILLED = 77
HANG_SECONDS = 60
_ATTEMPT = re.compile(r"/[0-9a-f]{8}(?=/|\.json\Z)")


class Mode(StrEnum):
    ERROR_BEFORE = "error-before"
    ERROR_AFTER = "error-after"
    HANG_BEFORE = "hang-before"
    """The call is carried out long after everybody gave up on it."""
    HANG_AFTER = "hang-after"
    TORN = "torn"
    """Half of the bytes travel."""
    KILL_BEFORE = "kill-before"
    KILL_AFTER = "kill-after"


class Call(NamedTuple):
    """The `number`th such call of a scenario; in `key` the attempt's random name is a `*`."""

    method: str
    key: str
    number: int


class FaultyStore:
    """`calls` are the calls so far; `observe` runs after each of them, whatever became of it."""

    def __init__(
        self,
        store: ObjectStore,
        faults: Mapping[Call, Mode],
        *,
        observe: Callable[[], None] = lambda: None,
        hung: Callable[[], None] = lambda: None,
    ) -> None:
        self.root = store.root
        self.calls: list[Call] = []
        self._store, self._faults, self._observe, self._hung = store, faults, observe, hung
        self._released = threading.Event()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def put_file(self, key: str, path: Path, *, content_type: str) -> FileDigest:
        def put(source: Path = path) -> FileDigest:
            return self._store.put_file(key, source, content_type=content_type)

        def put_half() -> None:
            half = path.with_name(f"half-{path.name}")
            half.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            put(half)

        return self._call("put_file", key, put, put_half)

    def create(self, key: str, data: bytes, *, content_type: str) -> None:
        self._call("create", key, lambda: self._store.create(key, data, content_type=content_type))

    def keys(self, prefix: str) -> set[str]:
        return self._store.keys(prefix)

    def get(self, key: str) -> bytes:
        return self._call("get", key, lambda: self._store.get(key))

    def get_file(self, key: str, path: Path, *, max_bytes: int) -> str:
        def get_half() -> None:
            data = self._store.get(key)
            path.write_bytes(data[: len(data) // 2])

        return self._call(
            "get_file", key, lambda: self._store.get_file(key, path, max_bytes=max_bytes), get_half
        )

    def delete(self, key: str) -> None:
        self._call("delete", key, lambda: self._store.delete(key))

    def delete_all(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.delete(key)

    def release(self) -> None:
        """Let the calls that hang go on."""
        self._released.set()

    def _call(
        self,
        method: str,
        key: str,
        carry_out: Callable[[], T],
        carry_out_half: Callable[[], None] = lambda: None,
    ) -> T:
        mode = self._faults.get(self._noted(method, key))
        try:
            self._strike_before(mode, key, carry_out_half)
            try:
                return carry_out()
            finally:  # a call that is refused may lose its answer, too
                self._strike_after(mode, key)
        finally:
            self._observe()

    def _strike_before(self, mode: Mode | None, key: str, half: Callable[[], None]) -> None:
        match mode:
            case Mode.ERROR_BEFORE:
                raise StoreUnavailableError(key, "the call was lost")
            case Mode.TORN:
                half()
                raise StoreUnavailableError(key, "half of it arrived")
            case Mode.HANG_BEFORE:
                self._hang()
            case Mode.KILL_BEFORE:
                os._exit(KILLED)

    def _strike_after(self, mode: Mode | None, key: str) -> None:
        match mode:
            case Mode.ERROR_AFTER:
                raise StoreUnavailableError(key, "the answer was lost")
            case Mode.HANG_AFTER:
                self._hang()
            case Mode.KILL_AFTER:
                os._exit(KILLED)

    def _noted(self, method: str, key: str) -> Call:
        name = _ATTEMPT.sub("/*", key)
        with self._lock:
            call = Call(method, name, self._counts[method, name])
            self._counts[method, name] += 1
            self.calls.append(call)
        return call

    def _hang(self) -> None:
        self._hung()
        self._released.wait(HANG_SECONDS)
