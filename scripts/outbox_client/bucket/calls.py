"""A call to the bucket: its error is one of ours, and it is repeated while the bucket is away."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from truss_outbox.contract.errors import StoreError, StoreUnavailableError
from truss_outbox.retrying import LONGEST_WAIT_SECONDS, patiently

from ..threads import pause

_KNOWN_SECONDS = 60.0
"""After so long without a call, it is not known any more whether the bucket is away."""

T = TypeVar("T")


class Translated(Protocol):
    def __call__(
        self, key: str, *, is_conditional: bool = False
    ) -> AbstractContextManager[None]: ...


class Calls:
    """How those to one bucket are made. Safe to use from several threads.

    One is repeated for `timeout_seconds` in all since anything was heard of the bucket; before each
    pause `on_wait` is told at how many seconds it will end. Within `translated` all errors are
    StoreError.
    """

    def __init__(self, translated: Translated) -> None:
        self.translated = translated
        self.has_answered = False
        """As only a bucket does."""
        self.timeout_seconds = LONGEST_WAIT_SECONDS
        self.on_wait: Callable[[float], None] = lambda _: None
        self._away_since: float | None = None
        self._failed_at = 0.0

    def call(self, key: str, call: Callable[[], T], *, is_conditional: bool = False) -> T:
        """`call`, which is about `key`; where it `is_conditional`, the object may exist already."""

        def translated_call() -> T:
            with self.translated(key, is_conditional=is_conditional):
                answer = call()
                self.has_answered = True
                return answer

        return self.patiently(translated_call)

    def resumed(self, key: str, begin: Callable[[], Iterator[T]]) -> Iterator[T]:
        """What an iterator yields; where it fails, what a new one does, which goes on there."""
        current: Iterator[T] | None = None

        def step() -> T | None:
            nonlocal current
            with self.translated(key):
                going = begin() if current is None else current
                current = None  # one that fails is not asked again
                found = next(going, None)
                current = going
                return found

        while (found := self.patiently(step)) is not None:
            yield found

    def patiently(self, operation: Callable[[], T]) -> T:
        """The operation, repeated while it raises StoreUnavailableError."""
        return patiently(
            lambda: self._noted(operation),
            timeout_seconds=self.timeout_seconds - self._away_seconds(),
            on_wait=self.on_wait,
            pause=pause,
        )

    def _away_seconds(self) -> float:
        """What others have waited already: a bucket that is gone is not waited for by each."""
        since, now = self._away_since, time.monotonic()
        return 0.0 if since is None or now - self._failed_at > _KNOWN_SECONDS else now - since

    def _noted(self, operation: Callable[[], T]) -> T:
        try:
            answer = operation()
        except StoreUnavailableError:
            if not self._away_seconds():
                self._away_since = time.monotonic()
            self._failed_at = time.monotonic()
            raise
        except StoreError:
            self._away_since = None
            raise
        self._away_since = None
        return answer
