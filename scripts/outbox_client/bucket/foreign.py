"""What lies under Outbox's prefixes and is not Outbox's: it is named, once, and passed over."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass

from truss_outbox.contract.errors import OutboxError

KEPT = 10_000
"""How many are remembered; of a bucket with more, the others are counted."""

_FOREIGN = "FOREIGN"


@dataclass(frozen=True, order=True, kw_only=True, slots=True)
class Foreign:
    """An object that is no record of Outbox's, or none that can be read, and why."""

    key: str
    code: str
    problem: str


class ForeignObjects:
    """The foreign objects that were met, each once. Safe to use from several threads."""

    def __init__(self) -> None:
        self._first: dict[str, Foreign] = {}
        # Hashes, because there may be very many and some commands list again and again.
        self._met: set[int] = set()
        self._lock = threading.Lock()

    def add(self, key: str, problem: str | OutboxError) -> None:
        code = problem.code if isinstance(problem, OutboxError) else _FOREIGN
        with self._lock:
            if hash(key) not in self._met and len(self._first) < KEPT:
                said = str(problem).removeprefix(f"{key}: ")
                self._first[key] = Foreign(key=key, code=code, problem=said)
            self._met.add(hash(key))

    def find(self, key: str) -> Foreign | None:
        return self._first.get(key)

    def __len__(self) -> int:
        """How many were met, which may be more than are remembered."""
        return len(self._met)

    def __iter__(self) -> Iterator[Foreign]:
        with self._lock:
            return iter(sorted(self._first.values()))
