"""One execution of a request: its name and times, and what it needs while it runs."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ..contract import Timings
from ..contract.keys import new_attempt
from .request import InferenceRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    key: str
    request_id: str
    # New at every execution, also of the same request: two never write the same artifact.
    name: str = field(default_factory=new_attempt)
    milliseconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Take the step's time, also when it fails. `step` is a field of `Timings`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.milliseconds[step] = round((time.perf_counter() - started) * 1000, 3)

    @property
    def timings(self) -> Timings:
        return Timings(**self.milliseconds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """An attempt that needs the inference.

    Its work directory is deleted when it is closed, or, if `predict` never comes because the
    caller hung up, when it is garbage.
    """

    attempt: Attempt
    request: InferenceRequest
    fingerprint: str
    directory: tempfile.TemporaryDirectory[str] = field(
        default_factory=lambda: tempfile.TemporaryDirectory(
            # A file that cannot be deleted must not turn a stored result into a failure.
            prefix="outbox-",
            ignore_cleanup_errors=True,
        )
    )

    @property
    def work_directory(self) -> Path:
        return Path(self.directory.name)

    def close(self) -> None:
        self.directory.cleanup()
