"""Ctrl-C: the first stops cleanly, the second at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stopped_by_interrupt() -> Iterator[threading.Event]:
    """The event is set by the first SIGINT; the second is Python's KeyboardInterrupt again."""
    stop = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def stop_first(*_: object) -> None:
        signal.signal(signal.SIGINT, before)
        stop.set()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, stop_first)
    try:
        yield stop
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)
