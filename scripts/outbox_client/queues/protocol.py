"""What is asked of a queue, and where one is opened."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from truss_outbox.contract.errors import ConfigurationError

from .address import QueueAddress

HOLD_SECONDS = 60
"""So long a message that was received is kept from others, unless that is extended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """`receipt` is what this delivery of it is acknowledged by."""

    body: str
    receipt: str
    attributes: Mapping[str, str] = field(default_factory=dict)


class MessageQueue(Protocol):
    """Delivers each message at least once, in any order. Safe to use from several threads.

    All methods raise StoreError, whose key is the queue's address.
    """

    address: str

    def receive(self, *, wait_seconds: float) -> list[Message]:
        """As many as come in one call; empty where none came in that time, or is there for 0.

        They are kept from others for HOLD_SECONDS.
        """

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """They are handled. One that was held for too long may come again all the same."""

    def hold(self, messages: Sequence[Message], *, seconds: int) -> None:
        """Keep them from others for so long from now on; 0 gives them back at once."""


@contextmanager
def open_queue(text: str) -> Iterator[MessageQueue]:
    """The queue at `sqs://…` or `pubsub://…`. Raises ConfigurationError and StoreError."""
    address = QueueAddress.parse(text)
    match address.kind:
        case "sqs":
            try:
                from .sqs import open_sqs  # noqa: PLC0415  # the SDK: 0.2 seconds
            except ModuleNotFoundError as error:
                raise _not_installed("sqs://", "boto3", "s3") from error
            with open_sqs(address) as queue:
                yield queue
        case "pubsub":
            try:
                from .pubsub import open_pubsub  # noqa: PLC0415  # the SDK: 1 second
            except ModuleNotFoundError as error:
                raise _not_installed("pubsub://", "google-cloud-pubsub", "pubsub") from error
            with open_pubsub(address) as opened:
                yield opened


def _not_installed(scheme: str, package: str, extra: str) -> ConfigurationError:
    return ConfigurationError(
        "queue", f"{scheme} needs {package}: pip install 'truss-outbox[client,{extra}]'"
    )
