"""What can go wrong on your side, as branches of the one error tree.

OutboxError (truss_outbox.contract.errors)
├── ServiceError                          the async API refused or failed; `status` is HTTP's
│   ├── RefusedRequestError               this one request (400, 413, 422): others may be accepted
│   ├── UnauthorizedError (PermissionError)
│   ├── UnknownRequestError (LookupError) the service does not know the id, or no longer
│   └── ServiceUnavailableError (ConnectionError)   a repetition may help
├── JournalError                          the local record of a job cannot be used
│   └── UnknownJobError (LookupError)     nothing was submitted under this name
├── UnreadableFileError (InvalidInputError)   a file to be sent is none, or cannot be read
├── UnsafePathError                       a name would leave the target directory
├── LocalFileError (OSError)              a file here cannot be written
│   └── TargetError                       nor can any other: the disk is full or read-only
├── DamagedIndexError (StoreError)        a part of a job's index is missing or cannot be read
├── SentFromElsewhereError                another machine has what it takes to send the item
├── SendingStoppedError                   somebody asked to stop; the rest is not sent yet
└── WaitTimeoutError (TimeoutError)       some results are still missing
"""

from typing import ClassVar

from truss_outbox.contract.errors import InvalidInputError, OutboxError, StoreError


class ServiceError(OutboxError):
    """The async API refused a call, or gave an answer that is not its own."""

    code = "SERVICE_ERROR"

    def __init__(
        self,
        problem: str,
        *,
        status: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        super().__init__(problem)


class RefusedRequestError(ServiceError):
    """The service refused this request; the same request will be refused again."""

    code = "REFUSED"


class UnauthorizedError(ServiceError, PermissionError):
    """The API key is missing, wrong, or not allowed to use this model."""

    code = "UNAUTHORIZED"


class UnknownRequestError(ServiceError, LookupError):
    """The service does not know the request; it forgets one an hour after its end."""

    code = "UNKNOWN_REQUEST"


class ServiceUnavailableError(ServiceError, ConnectionError):
    """No answer, a limit reached (429), or a fault on the other side (5xx)."""

    code = "SERVICE_UNAVAILABLE"
    retryable: ClassVar[bool] = True


class JournalError(OutboxError):
    """The journal cannot be opened, read or written."""

    code = "JOURNAL_ERROR"


class UnknownJobError(JournalError, LookupError):
    """No journal has this job; the message says where it was looked for."""

    code = "UNKNOWN_JOB"


class UnreadableFileError(InvalidInputError):
    """A file that is to be sent is none, or cannot be read; the message names it and says why."""

    def __init__(self, problem: str) -> None:
        super().__init__("PATH", problem)


class UnsafePathError(OutboxError):
    """Writing there would leave the directory that was asked for."""

    code = "UNSAFE_PATH"


class LocalFileError(OutboxError, OSError):
    """A file on this machine cannot be read or written."""

    code = "LOCAL_FILE_ERROR"


class TargetError(LocalFileError):
    """The target directory or its disk takes no files at all; the message says the remedy."""

    code = "TARGET_ERROR"


class DamagedIndexError(StoreError):
    """A job's index cannot be continued or read; it is derived, and can be made anew."""

    code = "DAMAGED_INDEX"

    def __init__(self, key: str, problem: str) -> None:
        folder = key.rpartition("/")[0]
        super().__init__(key, f"{problem}: delete {folder}/ and run `outbox index` again")


class SentFromElsewhereError(OutboxError):
    """What an item is made of is not here: it was sent from another machine."""

    code = "SENT_FROM_ELSEWHERE"

    def __init__(self) -> None:
        super().__init__(
            "was sent from another machine, whose file or large input is not here, or differs:"
            " submit it from there; with --stage, any machine can send its files again"
        )


class SendingStoppedError(OutboxError):
    """Sending was asked to stop, and has; what is not sent is in the journal."""

    code = "STOPPED"

    def __init__(self) -> None:
        super().__init__("stopped")


class WaitTimeoutError(OutboxError, TimeoutError):
    """The time to wait is over; `pending` results are still missing."""

    code = "WAIT_TIMEOUT"

    def __init__(self, job: str, *, pending: int) -> None:
        self.pending = pending
        super().__init__(
            f"{pending} result(s) of job {job!r} are not there yet; wait again to go on"
        )
