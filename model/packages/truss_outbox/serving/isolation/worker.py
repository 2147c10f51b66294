"""The worker's side: `python -m …worker CONNECTION FILE PARENT`, which `workers` starts."""

import errno
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from inspect import isgenerator
from multiprocessing.connection import Connection
from typing import Any

from ...contract.errors import InvalidInputError
from .bounds import address_space, confine, limit
from .messages import NEXT, Call, Channel

_GRACE_SECONDS = 5
"""The server ends a worker whose time is over; one without a server ends so much later."""


class CallServer:
    """Makes one call after the other, until the server closes the connection."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._imported: dict[Callable[..., Any], int] = {}

    def serve(self) -> None:
        while True:
            call: Call = pickle.loads(self._receive())  # noqa: S301 - the server is trusted
            answer = self._make(call)
            if call.is_made:
                self._send(*answer)

    def _make(self, call: Call) -> tuple[Any, ...]:
        """Sends what the function yields, or returns; returns the last that is to be sent."""
        sys.path[:] = call.path
        try:
            function, arguments = pickle.loads(call.pickled)  # noqa: S301
        except Exception as error:  # noqa: BLE001 - an author's module may raise anything
            return _told(error)
        if not call.is_made:
            return ()
        # Up to here the input was not looked at: a worker that dies before this is no fault of it.
        self._send("ready")
        if self._receive() != NEXT:
            return ("end",)
        # What was imported is no fault of the input's either; what an earlier one left behind is.
        imported = self._imported.setdefault(function, address_space())
        limit(memory_bytes=imported + call.memory_bytes, file_bytes=call.file_bytes)
        try:
            with closing(_values(function, arguments)) as values:
                self._give(values, call.step_seconds)
        except Exception as error:  # noqa: BLE001 - an author's function may raise anything
            return _told(error)
        return ("end",)

    def _give(self, values: Iterator[Any], step_seconds: float) -> None:
        while True:
            signal.setitimer(signal.ITIMER_REAL, step_seconds + _GRACE_SECONDS)
            try:
                value = next(values)
            except StopIteration:
                return
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            self._send("value", value)
            if self._receive() != NEXT:
                return

    def _receive(self) -> bytes:
        try:
            return self._channel.connection.recv_bytes()
        except (EOFError, OSError):
            sys.exit()

    def _send(self, *values: Any) -> None:
        try:
            self._channel.send_values(*values)
        except (BrokenPipeError, ConnectionResetError):
            sys.exit()


def _told(error: Exception) -> tuple[Any, ...]:
    match error:
        case InvalidInputError():
            return "refused", error.field, error.problem
        case MemoryError():
            return ("memory",)
        case OSError(errno=errno.EFBIG):
            return ("file",)
        case _:
            return "raised", "".join(traceback.format_exception(error))


def _values(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Generator[Any, None, None]:
    returned = function(*arguments)
    if isgenerator(returned):
        yield from returned
    else:
        yield returned


if __name__ == "__main__":
    connection, file, parent = map(int, sys.argv[1:])
    confine(parent)
    CallServer(Channel(connection=Connection(connection), file=file)).serve()
