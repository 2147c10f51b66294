"""Each result and each failure once, as a queue tells of them."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Unpack

from truss_outbox.contract.manifest import Failure, Manifest

from ..bucket.bucket import Bucket
from ..bucket.open_bucket import Connection, open_bucket
from ..bucket.records import is_manifest_path, read_failure, read_told
from ..settings import state_directory
from .address import QueueAddress
from .handled import HandledEvents
from .held import HeldMessages
from .protocol import open_queue
from .told import Listener, Told

_POLL_SECONDS = 20.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultEvent:
    """A committed result, with its `manifest`, or an execution that failed, with its `failure`."""

    key: str
    attempt: str
    manifest: Manifest | None = None
    failure: Failure | None = None

    @property
    def id(self) -> str:
        """The same however often it is delivered, to whom, and in which order."""
        return f"{self.key}/{self.attempt}"


def events(
    queue: str,
    root: str,
    *,
    idle_seconds: float | None = None,
    home: Path | None = None,
    **connection: Unpack[Connection],
) -> Iterator[ResultEvent]:
    """What is committed below `root` from now on, and before as far as the queue kept it.

    `queue` is `sqs://name`, `sqs://account/name?region=…` or `pubsub://project/subscription`. An
    event counts as handled once the next one is asked for. Its message is acknowledged then: who is
    killed, or stops in the middle, gets it again, and whoever else reads the queue. An event that
    is delivered again after it was handled is passed over; which were, this machine keeps below
    `home`, by default where the commands keep what they know. Keep an event's `id` in one
    transaction with what you made of it, and each is handled exactly once, by any number of
    machines.

    Ends after `idle_seconds` without a message; else never. Raises ConfigurationError, StoreError
    and LocalFileError.
    """
    bucket = open_bucket(root, **connection)
    place = home or state_directory(os.environ)
    yield from followed(queue, bucket, home=place, idle_seconds=idle_seconds)


def followed(
    queue: str, bucket: Bucket, *, home: Path, idle_seconds: float | None = None
) -> Iterator[ResultEvent]:
    """As `events`. What is not Outbox's is foreign to the bucket."""
    with (
        HandledEvents.of(home, QueueAddress.parse(queue), bucket.root) as handled,
        open_queue(queue) as opened,
        HeldMessages(opened) as held,
    ):
        listener = Listener(held, bucket)
        for told in _received(listener, idle_seconds):
            for event in _events_of(bucket, told):
                if not handled.has(event.id):
                    yield event
                    handled.add(event.id)
            listener.acknowledge(told)


def _received(
    listener: Listener,
    idle_seconds: float | None,
    elapsed: Callable[[], float] = time.monotonic,
) -> Iterator[list[Told]]:
    last = elapsed()
    while True:
        idle = elapsed() - last
        left = _POLL_SECONDS if idle_seconds is None else idle_seconds - idle
        told = listener.receive(wait_seconds=max(0.0, min(_POLL_SECONDS, left)))
        if told is not None:
            yield told
            last = elapsed()
        elif idle_seconds is not None and elapsed() - last >= idle_seconds:
            return


def _events_of(bucket: Bucket, told: list[Told]) -> list[ResultEvent]:
    """Read at the same time; what cannot be read is foreign to the bucket."""
    paths = dict.fromkeys(path for one in told for path in one.paths)
    read = bucket.in_threads(partial(_event, bucket), paths)
    return [event for event in read if event is not None]


def _event(bucket: Bucket, path: str) -> ResultEvent | None:
    if is_manifest_path(path):
        read = read_told(bucket, path)
        if read is None:
            return None
        manifest, _ = read
        return ResultEvent(key=manifest.key, attempt=manifest.attempt, manifest=manifest)
    failure = read_failure(bucket, path)
    if failure is None:
        return None
    return ResultEvent(key=failure.key, attempt=failure.attempt, failure=failure)
