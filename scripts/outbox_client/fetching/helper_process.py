"""A process that brings the results it is given: what the first process sees of it, and it itself.

Messages are pickled. To it: the work, lists of what is wanted, and None at the end. From it: what
it has brought, with the foreign objects it has met, or the error that has ended it.
"""

import contextlib
import os
import pickle
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from io import BufferedRWPair
from queue import SimpleQueue
from typing import Any, NoReturn

from truss_outbox.contract.errors import OutboxError

from ..bucket.bucket import Bucket
from ..bucket.foreign import ForeignObjects
from ..threads import interrupt
from .one_result import Brought, Wanted

_AT_ONCE = 32
_MOST_GIVEN = 512
"""It has so many to bring at most: enough for all its calls, and little to wait for."""

_LOOK_SECONDS = 0.05

_SIGNALS = {signal.SIGINT, signal.SIGTERM}

Work = Callable[[Iterable[Wanted], Bucket], Generator[Brought, None, None]]


class HelperProcess:
    """Forked from this process, which it knows as it is now. All methods are for one thread."""

    def __init__(self, bucket: Bucket, *, older: "Sequence[HelperProcess]") -> None:
        """Raises OSError where the system gives no process. The `older` ones are none of its."""
        self.given = dict[str, Wanted]()
        """What it has not brought yet, by the manifest's path."""
        self._latest = list[Wanted]()
        self._messages: SimpleQueue[Any] = SimpleQueue()
        self._is_over = False
        self._reader: threading.Thread | None = None
        self.socket, other = socket.socketpair()
        # Of its socket no other process may hold a copy: its end tells that this one has gone.
        with other, _signals_held_back():
            try:
                self._pid = os.fork()
            except OSError:
                self.socket.close()
                raise
            if not self._pid:
                for one in (self, *older):
                    one.socket.close()
                _help(other, bucket)

    def begin(self, work: Work) -> None:
        # Not before: no process is forked from one that has threads, or with files of a socket.
        self._file = self.socket.makefile("rwb")
        arguments = (self._file, self._messages)
        self._reader = threading.Thread(target=_receive, args=arguments, name="outbox-helper")
        self._reader.start()
        self._send(work)

    @property
    def has_room(self) -> bool:
        return not self._is_over and len(self.given) < _MOST_GIVEN

    def give(self, one: Wanted) -> None:
        self.given[one[0].key] = one
        self._latest.append(one)
        if len(self._latest) >= _AT_ONCE:
            self._send_latest()

    def end(self) -> None:
        """It has been given all."""
        self._send_latest()
        self._send(None)

    def brought(self, foreign: ForeignObjects, *, wait: bool) -> Iterator[Brought]:
        """What it has told of; with `wait`, until it has ended. Raises its error.

        `foreign` takes what it has met.
        """
        while not self._is_over and (wait or not self._messages.empty()):
            message = self._messages.get()
            if message is None:
                self._is_over = True
                return
            if isinstance(message, Exception):
                raise message
            results, met = message
            for key, problem in met:
                foreign.add(key, problem)
            for one in results:
                del self.given[one[0]]
                yield one

    def interrupt(self) -> None:
        """It ends after the calls under way."""
        with contextlib.suppress(OSError):  # it has ended
            self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Once it has ended, as it does soon after `interrupt`."""
        self._is_over = True
        with contextlib.suppress(ChildProcessError):  # where nobody need wait for processes
            os.waitpid(self._pid, 0)
        if self._reader is not None:
            self._reader.join()
            with contextlib.suppress(OSError):  # what it was not sent any more
                self._file.close()
        self.socket.close()

    def _send_latest(self) -> None:
        latest, self._latest = self._latest, []
        self._send(latest)

    def _send(self, message: Any) -> None:
        with contextlib.suppress(OSError):  # it was killed: no more comes from it
            _send(message, self._file)


@contextlib.contextmanager
def _signals_held_back() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _send(message: Any, file: "BufferedRWPair[Any, Any]") -> None:
    pickle.dump(message, file)
    file.flush()


def _receive(file: "BufferedRWPair[Any, Any]", messages: "SimpleQueue[Any]") -> None:
    """Everything that comes, then None."""
    with contextlib.suppress(EOFError, OSError, pickle.UnpicklingError):
        while True:
            messages.put(pickle.load(file))  # noqa: S301  # of our own process
    messages.put(None)


def _help(connection: socket.socket, bucket: Bucket) -> NoReturn:
    """All that the forked process does. It ends with the first one, however that ends."""
    first = os.getppid()
    try:
        for one in _SIGNALS:
            signal.signal(one, _interrupt_once)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        _Helper(connection.makefile("rwb"), bucket, first=first).work()
    finally:
        os._exit(0)


def _interrupt_once(*_: object) -> None:
    # A terminal's Ctrl-C comes to all processes, and the first one interrupts the others too.
    for one in _SIGNALS:
        signal.signal(one, lambda *_: None)  # not SIG_IGN: Python complains where one has come
    interrupt()


class _Helper:
    """The forked process."""

    def __init__(self, file: "BufferedRWPair[Any, Any]", bucket: Bucket, *, first: int) -> None:
        """`first`: the process that has forked it."""
        self._file = file
        self._first = first
        self._foreign = _Met()
        self._bucket = bucket.waiting(on_wait=lambda _: None)  # the first process tells of it
        self._bucket.foreign = self._foreign
        self._results = list[Brought]()
        self._messages: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=self._receive, name="outbox-helper", daemon=True).start()

    def work(self) -> None:
        work: Work | None = self._messages.get()
        if work is None:
            return
        try:
            for one in work(self._given(), self._bucket):
                self._results.append(one)
                if len(self._results) >= _AT_ONCE:
                    self._tell()
            self._tell()
        except Exception as error:  # noqa: BLE001  # the first process raises it
            self._tell()
            _send(_to_send(error), self._file)

    def _given(self) -> Iterator[Wanted]:
        while True:
            if self._messages.empty():
                self._tell()
            if (some := self._messages.get()) is None:
                return
            yield from some

    def _tell(self) -> None:
        if self._results or self._foreign.latest:
            _send((self._results, self._foreign.latest), self._file)
            self._results, self._foreign.latest = [], []

    def _receive(self) -> None:
        _receive(self._file, self._messages)
        # It interrupts this one, or has ended. The main thread may be waiting for anything.
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
        while os.getppid() == self._first:
            time.sleep(_LOOK_SECONDS)
        os._exit(0)  # what would be killed with it, were it one process


class _Met(ForeignObjects):
    """Those that the first process has not been told of."""

    def __init__(self) -> None:
        super().__init__()
        self.latest = list[tuple[str, str | OutboxError]]()

    def add(self, key: str, problem: str | OutboxError) -> None:
        self.latest.append((key, problem))


def _to_send(error: Exception) -> Exception:
    if isinstance(error, OutboxError):
        return error
    told = RuntimeError(f"{type(error).__name__} in another process")
    told.add_note("".join(traceback.format_exception(error)))
    return told
