"""What GCS answers, in this project's errors: the cause, and the right or setting to mend."""

import contextlib
import re
from collections.abc import Iterator

import requests
import urllib3
from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth.exceptions import GoogleAuthError, TransportError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse

from ...contract.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    NotFoundError,
    NotImplementedByStoreError,
    StoreError,
    StoreUnavailableError,
)
from ...retrying import is_transient, retry_after_seconds

_ENDED_SESSION = {404, 410}  # of a resumable upload, whose parts are PUT: to be begun anew
_UNANSWERED = (
    ConnectionError,
    TransportError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
)
_TRANSIENT = (*_UNANSWERED, DataCorruption, RetryError)
# Of a body that was damaged on its way, for GCS and its emulators each with words of its own.
_DAMAGED = re.compile(r"crc32c|md5|checksum", re.IGNORECASE)
_PERMISSION = re.compile(r"storage\.[a-z]+\.[A-Za-z]+")
_RIGHTS = {
    "POST": "storage.objects.create",
    "PUT": "storage.objects.create",
    "GET": "storage.objects.get, and storage.objects.list, without which a missing object looks"
    " like a forbidden one",
    "DELETE": "storage.objects.delete",
}


@contextlib.contextmanager
def translated(key: str, *, is_conditional: bool = False) -> Iterator[None]:
    """Turns the SDK's errors into StoreErrors about `key`.

    Only where the call `is_conditional`, made with generation 0, can the object exist already.
    """
    try:
        yield
    except StoreError:
        raise
    except GoogleAPICallError as error:
        raise _from_answer(key, error, is_conditional=is_conditional) from error
    except _TRANSIENT as error:
        raise _unanswered(key, error) from error
    except GoogleAuthError as error:
        if error.retryable:
            raise _unanswered(key, error) from error
        raise AccessDeniedError(
            key,
            "Google gives no token for the credentials: check the secret gcp_service_account, or"
            " gcp_workload_identity_provider and what it trusts, or gcp_service_account_email",
        ) from error
    except ValueError as error:
        # The SDK's, where a part was stored by halves: a new upload begins anew.
        raise _unanswered(key, error) from error


def may_repeat_part(error: Exception) -> bool:
    """Whether a call of a resumable upload may be made again, and the upload goes on."""
    match error:
        case GoogleAPICallError():
            return is_transient(int(error.code or 0))
        case InvalidResponse():
            return is_transient(error.response.status_code)
        case _:
            return isinstance(error, _UNANSWERED)


def _from_answer(key: str, error: GoogleAPICallError, *, is_conditional: bool) -> StoreError:
    status, name = int(error.code or 0), type(error).__name__
    method = error.response.request.method if error.response is not None else ""
    if status == 412 and is_conditional:
        return AlreadyExistsError(key)
    if (
        is_transient(status)
        or status in {409, 412}  # 412 without a condition of ours: of the body, as _DAMAGED
        or (method == "PUT" and status in _ENDED_SESSION)
        or (status == 400 and _DAMAGED.search(error.message))
    ):
        headers = error.response.headers if error.response is not None else {}
        return StoreUnavailableError(
            key,
            f"{name} ({status})",
            retry_after_seconds=retry_after_seconds(headers.get("Retry-After")),
        )
    if status == 404:
        return _missing(key, error, method)
    if status in {401, 403}:
        return AccessDeniedError(key, f"{name} ({status}): {_remedy(error, method)}")
    refused = NotImplementedByStoreError if status == 501 else StoreError
    return refused(key, f"{method} was refused: {name} ({status})")


def _unanswered(key: str, error: Exception) -> StoreUnavailableError:
    return StoreUnavailableError(
        key,
        f"{type(error).__name__}: the store did not answer; if it never does, check endpoint_url"
        " and the network",
    )


def _missing(key: str, error: GoogleAPICallError, method: str) -> StoreError:
    if method in {"GET", "DELETE"} and "bucket does not exist" not in error.message:
        return NotFoundError(key)
    return StoreError(key, "there is no such bucket: create it, or correct root")


def _remedy(error: GoogleAPICallError, method: str) -> str:
    """Of the answer itself only a permission's name: it also names accounts and objects."""
    if "Cloud KMS" in error.message:
        return "let the bucket's service agent encrypt and decrypt with gcs_kms_key"
    if error.code == 401:
        return "the store does not know these credentials: check the secret gcp_service_account"
    permission = _PERMISSION.search(error.message)
    wanted = permission[0] if permission else _RIGHTS.get(method, "the call")
    return f"the credentials do not allow {method}: grant {wanted} on the bucket"
