"""Amazon SQS by botocore, as AWS's variables, profiles and roles reach it."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
)
from botocore.session import Session

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

_AT_ONCE = 10
_LONGEST_POLL_SECONDS = 20
_TRIES = 2
"""Without a wait SQS asks some of its servers alone, and may miss what the others have."""

_MISSING = {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}
_RIGHTS = (
    "grant sqs:GetQueueUrl, sqs:ReceiveMessage, sqs:DeleteMessage and"
    " sqs:ChangeMessageVisibility on the queue (outbox policy --for follower)"
)


@contextlib.contextmanager
def open_sqs(address: QueueAddress) -> "Iterator[SqsQueue]":
    """Raises ConfigurationError where there is no such queue, and StoreError."""
    with _translated(str(address)):
        client: Any = Session().create_client(
            "sqs",
            region_name=address.region,
            config=Config(retries={"total_max_attempts": 1}),  # `patiently` repeats calls
        )
    with contextlib.closing(client):
        owner = {"QueueOwnerAWSAccountId": address.owner} if address.owner else {}
        found = _called(str(address), lambda: client.get_queue_url(QueueName=address.name, **owner))
        yield SqsQueue(client, found["QueueUrl"], address=str(address))


class SqsQueue:
    """A `MessageQueue`."""

    def __init__(self, client: Any, url: str, *, address: str) -> None:
        self.address = address
        self._client = client
        self._url = url

    def receive(self, *, wait_seconds: float) -> list[Message]:
        wait = min(_LONGEST_POLL_SECONDS, math.ceil(wait_seconds))
        for _ in range(1 if wait else _TRIES):
            if found := self._receive(wait):
                return found
        return []

    def _receive(self, wait: int) -> list[Message]:
        answer = self._call(
            "receive_message",
            MaxNumberOfMessages=_AT_ONCE,
            WaitTimeSeconds=wait,
            VisibilityTimeout=HOLD_SECONDS,
        )
        return [
            Message(body=one.get("Body", ""), receipt=one["ReceiptHandle"])
            for one in answer.get("Messages", ())
        ]

    def acknowledge(self, messages: Sequence[Message]) -> None:
        self._batches("delete_message_batch", messages)

    def hold(self, messages: Sequence[Message], *, seconds: int) -> None:
        self._batches("change_message_visibility_batch", messages, VisibilityTimeout=seconds)

    def _batches(self, operation: str, messages: Sequence[Message], **more: Any) -> None:
        # What fails of a batch has a receipt that is over: it comes again, under another.
        for start in range(0, len(messages), _AT_ONCE):
            some = messages[start : start + _AT_ONCE]
            entries = [
                {"Id": str(number), "ReceiptHandle": one.receipt, **more}
                for number, one in enumerate(some)
            ]
            self._call(operation, Entries=entries)

    def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        call = getattr(self._client, operation)
        return _called(self.address, lambda: call(QueueUrl=self._url, **arguments))


def _called(address: str, call: Any) -> dict[str, Any]:
    def translated_call() -> dict[str, Any]:
        with _translated(address):
            answer: dict[str, Any] = call()
            return answer

    return patiently(translated_call, timeout_seconds=LONGEST_WAIT_SECONDS, pause=pause)


@contextlib.contextmanager
def _translated(address: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _of_answer(address, error) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise ConfigurationError(
            "AWS credentials", "none were found, or a part: set them as for the AWS CLI"
        ) from error
    except NoRegionError as error:
        raise ConfigurationError(
            "queue", "no region is known: write sqs://name?region=…, or set AWS_DEFAULT_REGION"
        ) from error
    except BotoCoreError as error:
        raise StoreUnavailableError(
            address,
            f"SQS does not answer ({type(error).__name__}): check the region,"
            " AWS_ENDPOINT_URL_SQS where it is set, and the network",
        ) from error


def _of_answer(address: str, error: ClientError) -> StoreError | ConfigurationError:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _MISSING:
        return ConfigurationError("queue", f"{address}: there is no such queue in its region")
    if is_transient(status, code):
        return StoreUnavailableError(address, f"{code} ({status})")
    if status in {401, 403} or "AccessDenied" in code:
        return AccessDeniedError(address, f"{code}: {_RIGHTS}")
    return StoreError(address, f"{error.operation_name} was refused: {code} ({status})")
