"""What a process and its worker send each other: to the worker calls, back plain values alone."""

import io
import os
import pickle
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

_SIZE = struct.Struct("<Q")
_COPY_BYTES = 1 << 24
_KEPT_BYTES = 1 << 24
"""Of the file, whose memory is the machine's; to have it anew costs as much as to copy."""

NEXT, STOP = b"next", b"stop"
"""What a worker that is ready, or has given a value, is told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A function and its arguments, pickled: to read them imports the function's module, which
    `path` leads to."""

    pickled: bytes
    path: tuple[str, ...]
    step_seconds: float
    memory_bytes: int
    file_bytes: int
    is_made: bool = True
    """Else its module is imported, and nothing answered."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """One end. `file` is a file without a name that both have: a pipe would take ten times as long
    for a page's pixels, and shared memory is scarce in a container."""

    connection: Connection
    file: int

    def send_values(self, *values: Any) -> None:
        """To the server. What `pickle.PickleBuffer` wraps is copied only once."""
        buffers: list[pickle.PickleBuffer] = []
        content = pickle.dumps(values, protocol=5, buffer_callback=buffers.append)
        views = [buffer.raw() for buffer in buffers]
        index = pickle.dumps((content, [view.nbytes for view in views]))
        place = 0
        for view in (memoryview(index), *views):
            place = self._write(view, place)
        self.connection.send_bytes(_SIZE.pack(len(index)))

    def receive_values(self) -> tuple[Any, ...]:
        """From the worker, which is not trusted: it gives values, and never code to run.

        Raises EOFError where it has ended, UnpicklingError where it sent anything else.
        """
        (size,) = _SIZE.unpack(self.connection.recv_bytes(_SIZE.size))
        content, sizes = _PlainUnpickler(io.BytesIO(self._read(size, 0))).load()
        buffers, place = [], size
        for part in sizes:
            buffers.append(self._read(part, place))
            place += part
        if place > _KEPT_BYTES:
            os.ftruncate(self.file, _KEPT_BYTES)
        values: tuple[Any, ...] = _PlainUnpickler(io.BytesIO(content), buffers=buffers).load()
        return values

    def close(self) -> None:
        self.connection.close()
        os.close(self.file)

    def _write(self, view: memoryview, place: int) -> int:
        while view.nbytes:
            written = os.pwrite(self.file, view[:_COPY_BYTES], place)
            view, place = view[written:], place + written
        return place

    def _read(self, size: int, place: int) -> bytearray:
        if place + size > os.fstat(self.file).st_size:
            raise pickle.UnpicklingError("more than there is")
        content = bytearray(size)
        view = memoryview(content)
        while view.nbytes:
            read = os.preadv(self.file, [view[:_COPY_BYTES]], place)
            view, place = view[read:], place + read
        return content


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"a {module}.{name} is no plain value")


def unnamed_file() -> int:
    create: Callable[[str], int] | None = getattr(os, "memfd_create", None)
    if create is not None:
        return create("truss-outbox")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
