"""Messages that are being worked on: kept from others for as long as that takes."""

import contextlib
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from truss_outbox.contract.errors import OutboxError

from .protocol import HOLD_SECONDS, Message, MessageQueue


class HeldMessages:
    """What was received and is not acknowledged. At the end of the block it is given back.

    A thread holds it meanwhile; a process that is killed leaves it to others after HOLD_SECONDS.
    """

    def __init__(self, queue: MessageQueue, *, every_seconds: float = HOLD_SECONDS / 3) -> None:
        self._queue = queue
        self._every_seconds = every_seconds
        self._held: dict[str, Message] = {}
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="outbox-hold", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()
        with contextlib.suppress(OutboxError):  # they come back by themselves, only later
            self._queue.hold(list(self._held.values()), seconds=0)

    def receive(self, *, wait_seconds: float) -> list[Message]:
        """Raises StoreError."""
        messages = self._queue.receive(wait_seconds=wait_seconds)
        with self._lock:
            self._held.update((one.receipt, one) for one in messages)
        return messages

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """They are handled. Raises StoreError."""
        self.leave(messages)
        self._queue.acknowledge(messages)

    def leave(self, messages: Sequence[Message]) -> None:
        """Neither acknowledged nor held any longer: they come again, to whomever."""
        with self._lock:
            for one in messages:
                self._held.pop(one.receipt, None)

    def _go_on(self) -> None:
        while not self._is_over.wait(self._every_seconds):
            with self._lock:
                held = list(self._held.values())
            with contextlib.suppress(OutboxError):  # the next call tells what is wrong
                self._queue.hold(held, seconds=HOLD_SECONDS)
