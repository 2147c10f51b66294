"""Google Cloud Pub/Sub by its own library, with application default credentials.

PUBSUB_EMULATOR_HOST leads to an emulator, as it does for all of Google's libraries.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from google.api_core.exceptions import (
    DeadlineExceeded,
    Forbidden,
    GoogleAPICallError,
    NotFound,
    Unauthenticated,
)
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError
from google.cloud.pubsub_v1 import SubscriberClient

from truss_outbox.contract.errors import (
    AccessDeniedError,
    ConfigurationError,
    StoreError,
    StoreUnavailableError,
)
from truss_outbox.retrying import LONGEST_WAIT_SECONDS, is_transient, patiently

from ..threads import pause
from .address import QueueAddress
from .protocol import HOLD_SECONDS, Message

_AT_ONCE = 100
_CALL_SECONDS = 20.0
_SHORTEST_WAIT_SECONDS = 0.25
"""A pull is answered once there is something; that nothing is there, only time tells."""

_RIGHTS = "grant roles/pubsub.subscriber on the subscription"


@contextlib.contextmanager
def open_pubsub(address: QueueAddress) -> "Iterator[PubSubQueue]":
    """Raises ConfigurationError. Nothing is asked yet."""
    with _translated(str(address)):
        client = SubscriberClient()
    with client:
        path = f"projects/{address.owner}/subscriptions/{address.name}"
        yield PubSubQueue(client, path, address=str(address))


class PubSubQueue:
    """A `MessageQueue`."""

    def __init__(self, client: SubscriberClient, subscription: str, *, address: str) -> None:
        self.address = address
        self._client = client
        self._subscription = subscription

    def receive(self, *, wait_seconds: float) -> list[Message]:
        timeout = min(_CALL_SECONDS, max(wait_seconds, _SHORTEST_WAIT_SECONDS))
        try:
            answer = self._call(self._client.pull, timeout=timeout, max_messages=_AT_ONCE)
        except _NothingCameError:
            return []
        messages = [
            Message(
                body=one.message.data.decode(errors="replace"),
                receipt=one.ack_id,
                attributes=dict(one.message.attributes),
            )
            for one in answer.received_messages
        ]
        # The subscription's own deadline may be shorter.
        self.hold(messages, seconds=HOLD_SECONDS)
        return messages

    def acknowledge(self, messages: Sequence[Message]) -> None:
        if messages:
            self._call(self._client.acknowledge, ack_ids=[one.receipt for one in messages])

    def hold(self, messages: Sequence[Message], *, seconds: int) -> None:
        if messages:
            self._call(
                self._client.modify_ack_deadline,
                ack_ids=[one.receipt for one in messages],
                ack_deadline_seconds=seconds,
            )

    def _call(
        self, method: Callable[..., Any], *, timeout: float = _CALL_SECONDS, **arguments: Any
    ) -> Any:
        def call() -> Any:
            request = {"subscription": self._subscription, **arguments}
            with _translated(self.address, is_pull=method == self._client.pull):
                return method(request=request, timeout=timeout, retry=None)

        return patiently(call, timeout_seconds=LONGEST_WAIT_SECONDS, pause=pause)


class _NothingCameError(Exception):
    """A pull ended by its time."""


@contextlib.contextmanager
def _translated(address: str, *, is_pull: bool = False) -> Iterator[None]:
    try:
        yield
    except DeadlineExceeded as error:
        if is_pull:
            raise _NothingCameError from error
        raise StoreUnavailableError(address, "Pub/Sub does not answer in time") from error
    except GoogleAPICallError as error:
        raise _of_answer(address, error) from error
    except DefaultCredentialsError as error:
        raise ConfigurationError(
            "Google credentials", "none were found: gcloud auth application-default login"
        ) from error
    except TransportError as error:
        raise StoreUnavailableError(address, "Google's token service does not answer") from error
    except GoogleAuthError as error:
        raise AccessDeniedError(address, f"Google credentials: {type(error).__name__}") from error


def _of_answer(address: str, error: GoogleAPICallError) -> StoreError | ConfigurationError:
    match error:
        case NotFound():
            return ConfigurationError("queue", f"{address}: there is no such subscription")
        case Forbidden() | Unauthenticated():
            return AccessDeniedError(address, _RIGHTS)
        case _ if is_transient(error.code):
            return StoreUnavailableError(address, f"{type(error).__name__} ({error.code})")
        case _:
            return StoreError(address, f"the call was refused: {type(error).__name__}")
