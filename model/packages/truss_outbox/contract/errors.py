"""Everything that can go wrong, as one tree.

OutboxError
├── ConfigurationError (ValueError)          a setting is wrong: the model does not come up
├── InvalidInputError (ValueError)           the request is wrong: names the field
├── OutputsError (ValueError)                what the inference returned cannot be stored
├── DocumentUnavailableError (ConnectionError)   its host did not deliver: a repetition may help
├── InferenceTimeoutError (TimeoutError)     it took longer than it may
├── AbandonedError                          nobody waits for the inference any more
├── CanaryError                              an attempt that was asked to fail
├── KeyConflictError                         the key holds another input's result
├── ManifestError (ValueError)               not a manifest, or of a schema this version cannot read
├── CorruptArtifactError                     bytes differ from what the manifest promises
└── StoreError
    ├── NotFoundError (FileNotFoundError)
    ├── AlreadyExistsError (FileExistsError)
    ├── AccessDeniedError (PermissionError)
    ├── ObjectTooLargeError                  larger than the reader allows
    ├── NotImplementedByStoreError           the store does not have the operation at all
    └── StoreUnavailableError (ConnectionError)   a repetition may help

`code` is what a failure record and a metric call the error; `retryable` says whether the same
request may succeed later without anyone changing anything.
"""

from typing import Any, ClassVar

from .text import printable

INTERRUPTIONS = (KeyboardInterrupt, SystemExit, GeneratorExit)
"""What an adapter lets through beside these errors: somebody wants to stop, nothing has failed."""


class OutboxError(Exception):
    """Base of every error this project raises on purpose."""

    code: ClassVar[str] = "INTERNAL_ERROR"
    retryable: ClassVar[bool] = False

    def __str__(self) -> str:
        # Keys and ids in it may be of anybody's choosing, and errors end in terminals and logs.
        return printable(super().__str__())

    def __reduce__(self) -> tuple[Any, ...]:
        # To another process as it is: not made again from what it was made of, which nothing keeps.
        return _restored, (type(self), self.args), self.__dict__


def _restored(kind: type[OutboxError], args: tuple[object, ...]) -> OutboxError:
    error = kind.__new__(kind)
    error.args = args
    return error


class ConfigurationError(OutboxError, ValueError):
    """A setting is missing or wrong; the message names it and the remedy."""

    code = "CONFIGURATION_ERROR"

    def __init__(self, setting: str, problem: str) -> None:
        self.setting = setting
        self.problem = problem
        super().__init__(f"{setting}: {problem}")


class InvalidInputError(OutboxError, ValueError):
    """The request cannot be served as it is.

    `field` is the dotted path in the request (`document.base64`, `pages`); `problem` says what is
    wrong and what to do, and never quotes the input.
    """

    code = "INVALID_INPUT"

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"{field}: {problem}")


class OutputsError(OutboxError, ValueError):
    """What the inference returned cannot be stored: its author's error, the same at every try."""

    code = "INVALID_OUTPUTS"


class DocumentUnavailableError(OutboxError, ConnectionError):
    """The host of the request's document did not deliver it this time."""

    code = "DOCUMENT_UNAVAILABLE"
    retryable = True

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"{field}: {problem}")


class InferenceTimeoutError(OutboxError, TimeoutError):
    """The inference took longer than the setting `max_inference_seconds` allows."""

    code = "INFERENCE_TIMEOUT"
    retryable = True

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the inference took longer than {seconds:g} s (max_inference_seconds); nothing of it"
            " is stored"
        )


class AbandonedError(OutboxError):
    """What an inference ran isolated was ended: its caller has gone, or its time was over."""

    code = "ABANDONED"
    retryable = True

    def __init__(self) -> None:
        super().__init__("nobody waits for the inference any more: it was ended")


class CanaryError(OutboxError):
    """An attempt that `outbox doctor --send` asked to fail."""

    code = "CANARY"
    retryable = True

    def __init__(self) -> None:
        super().__init__("this attempt failed because the canary asked for it")


class KeyConflictError(OutboxError):
    """The key already holds the result of a different input; nothing was overwritten."""

    code = "KEY_CONFLICT"

    def __init__(self, key: str, *, request_id: str) -> None:
        self.key = key
        self.request_id = request_id
        super().__init__(
            f"metadata: the key {key!r} already holds the result of a different input or model"
            f" version (request {request_id}); send other metadata, or the same input"
        )


class ManifestError(OutboxError, ValueError):
    """The object is not a manifest (or failure record) this version can read."""

    code = "BAD_MANIFEST"


class CorruptArtifactError(OutboxError):
    """An artifact's size or SHA-256 differs from its manifest's."""

    code = "CORRUPT_ARTIFACT"

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        super().__init__(f"artifact {name!r}: {problem}")


class StoreError(OutboxError):
    """The bucket refused or failed; `key` is relative to the store's root."""

    code = "STORE_ERROR"

    def __init__(self, key: str, problem: str) -> None:
        self.key = key
        self.problem = problem
        super().__init__(f"{key}: {problem}")


class NotFoundError(StoreError, FileNotFoundError):
    """No object has this key."""

    code = "NOT_FOUND"

    def __init__(self, key: str) -> None:
        super().__init__(key, "no such object")


class AlreadyExistsError(StoreError, FileExistsError):
    """A create-only write found an object under this key."""

    code = "ALREADY_EXISTS"

    def __init__(self, key: str) -> None:
        super().__init__(key, "already exists and is never overwritten")


class AccessDeniedError(StoreError, PermissionError):
    """The credentials do not allow the operation."""

    code = "STORE_ACCESS_DENIED"


class ObjectTooLargeError(StoreError):
    """The object is larger than its reader allows; `max_bytes` is the limit."""

    code = "OBJECT_TOO_LARGE"

    def __init__(self, key: str, *, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        super().__init__(key, f"is larger than {max_bytes} bytes")


class NotImplementedByStoreError(StoreError):
    """The store does not have what was asked of it: of a create, that is conditional writes."""

    code = "STORE_LACKS"


class StoreUnavailableError(StoreError, ConnectionError):
    """The store did not answer, or asked to be left alone for a while: `retry_after_seconds`."""

    code = "STORE_UNAVAILABLE"
    retryable = True

    def __init__(self, key: str, problem: str, *, retry_after_seconds: float | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(key, problem)
