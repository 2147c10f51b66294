"""Which records below a root a queue tells of, message by message."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from truss_outbox.contract.keys import CANARY_FOLDER
from truss_outbox.contract.root import Root

from ..bucket.bucket import Bucket
from ..bucket.records import is_failure_path, is_manifest_path
from .held import HeldMessages
from .notices import Written, written
from .protocol import Message

_FOLDERS = ("manifests/", "failures/")


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """A message, and the paths of the manifests and failure records that it tells of."""

    message: Message
    paths: tuple[str, ...]


class Listener:
    """Takes messages that are about records below the bucket's root.

    Others are left where they are, and foreign to the bucket: the queue may be another one than was
    meant, and then they are somebody's. A queue's dead-letter policy takes them out in the end.
    """

    def __init__(self, held: HeldMessages, bucket: Bucket) -> None:
        self._held = held
        self._bucket = bucket
        self._root = Root.parse(bucket.root)

    def receive(self, *, wait_seconds: float) -> list[Told] | None:
        """None where no message came. Raises StoreError."""
        messages = self._held.receive(wait_seconds=wait_seconds)
        if not messages:
            return None
        told = [one for message in messages if (one := self._told(message))]
        taken = {one.message.receipt for one in told}
        self._held.leave([one for one in messages if one.receipt not in taken])
        return told

    def acknowledge(self, told: Sequence[Told]) -> None:
        self._held.acknowledge([one.message for one in told])

    def _told(self, message: Message) -> Told | None:
        """None for a message that is about something else."""
        found = written(message)
        if found is None:
            self._bucket.foreign.add("queue", "a message of it is no notice of a bucket's: left")
            return None
        paths = [self._path(one) for one in found]
        if found and not any(path is not None for path in paths):
            elsewhere = f"queue: {found[0].bucket}/{found[0].name}"
            self._bucket.foreign.add(elsewhere, "is not below the root: its message is left")
            return None
        return Told(message=message, paths=tuple(self._records(paths)))

    def _path(self, one: Written) -> str | None:
        """Below the root; None for what is not."""
        above = self._root.object_name("")
        is_below = one.bucket == self._root.bucket and one.name.startswith(above)
        return one.name[len(above) :] if is_below else None

    def _records(self, paths: Sequence[str | None]) -> Iterator[str]:
        for path in paths:
            if path is None or not path.startswith(_FOLDERS):
                continue  # the bucket tells of more than it need
            folder, _, key = path.partition("/")
            if not (is_manifest_path(path) or is_failure_path(path)):
                self._bucket.foreign.add(path, "has no key that Outbox makes")
            elif not key.startswith(f"{CANARY_FOLDER}/"):
                yield f"{folder}/{key}"
