"""One request on its way: what is known of it, its times, and the files it needs meanwhile."""

import shutil
import tempfile
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request

from ..contract.keys import new_attempt
from ..contract.manifest import Manifest, ModelInfo, Timings
from ..contract.metadata import RequestMetadata


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One execution of a request. `key` is where its result will lie, by the model as it is now."""

    key: str
    request_id: str
    model: ModelInfo
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
            milliseconds = (time.perf_counter() - started) * 1000
            # An author's own preprocess follows ours.
            self.milliseconds[step] = round(self.milliseconds.get(step, 0) + milliseconds, 3)

    @property
    def timings(self) -> Timings:
        return Timings(**self.milliseconds)


class WorkDirectory:
    """A folder on this machine's disk, deleted when it is closed, or else when it is garbage.

    The latter is where the caller hung up before `predict`, which then never comes.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="outbox-"))
        # A file that cannot be deleted must not turn a stored result into a failure.
        self._delete = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def close(self) -> None:
        self._delete()


@dataclass(kw_only=True, slots=True, eq=False)
class Work:
    """What `Outbox.begin` makes of a request, and takes through `store` and `finish`.

    `input` is the model's input without its metadata, as the `request_type` that was named to the
    Outbox, else a dict. `manifest` is the committed result: at once where there was one already,
    else after `finish`.
    """

    attempt: Attempt
    metadata: RequestMetadata
    fingerprint: str
    input: Any = None
    manifest: Manifest | None = None
    storing: "Future[Manifest] | None" = None
    caller: Request | None = None
    _directory: WorkDirectory | None = None

    @property
    def directory(self) -> Path:
        """An empty folder of the request's own, deleted once its result is stored."""
        return self.kept.path

    @property
    def kept(self) -> WorkDirectory:
        """What the folder lives as long as."""
        if self._directory is None:
            self._directory = WorkDirectory()
        return self._directory

    def close(self) -> None:
        if self._directory is not None:
            self._directory.close()
