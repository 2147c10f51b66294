"""What GCS answers, in this project's errors: the cause, and the right or setting to mend."""

import contextlib
import re
from collections.abc import Iterator

import requests
import urllib3
from google.api_core.exceptions import GoogleAPICallError, RetryError
from google.auth.exceptions import TransportError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from requests import Response

from ...contract.errors import (
    INTERRUPTIONS,
    AccessDeniedError,
    AlreadyExistsError,
    NotFoundError,
    NotImplementedByStoreError,
    OutboxError,
    StoreError,
    StoreUnavailableError,
)
from ...retrying import is_transient, retry_after_seconds
from ..faults import WebPage, from_fault, from_page, is_page, tunnel_status
from ..network import PROXY_LOGIN, Place
from .credentials import credentials_problem

_ENDED_SESSION = {404, 410}  # of a resumable upload, whose parts are PUT: to be begun anew
_UNANSWERED = (
    ConnectionError,
    TransportError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
)
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
def translated(key: str, place: Place, *, is_conditional: bool = False) -> Iterator[None]:
    """Turns whatever goes wrong in a call into a StoreError about `key`.

    Only where the call `is_conditional`, made with generation 0, can the object exist already.
    """
    try:
        yield
    except (OutboxError, *INTERRUPTIONS):
        raise
    except GoogleAPICallError as error:
        raise _from_answer(key, error, is_conditional=is_conditional) from error
    except WebPage as error:
        raise from_page(key, error.status, place) from error
    except BaseException as error:
        raise _of_credentials(key, error) or _from_fault(key, error, place) from error


def refuse_page(response: Response, **_: object) -> None:
    """A hook of requests': who answered with this was not the store. Raises WebPage.

    A header of Google's alone is enough: the store may keep pages.
    """
    is_own = any(name.lower().startswith(("x-goog", "x-guploader")) for name in response.headers)
    status = response.status_code
    if status == PROXY_LOGIN or (is_page(response.headers.get("content-type")) and not is_own):
        response.close()
        raise WebPage(status)


def _of_credentials(key: str, error: BaseException) -> StoreError | None:
    problem = credentials_problem(error)
    if problem is None:
        return None
    kind = StoreUnavailableError if problem.may_pass else AccessDeniedError
    return kind(key, f"Google credentials: {problem.said}")


def _from_fault(key: str, error: BaseException, place: Place) -> StoreError:
    """Of a call that got no answer."""
    match error:
        case requests.exceptions.ProxyError() if status := tunnel_status(error):
            return from_page(key, status, place)
        case requests.RequestException() | urllib3.exceptions.HTTPError() | ConnectionError():
            return StoreUnavailableError(key, _unanswered(error, place))
        case DataCorruption() | RetryError():
            return StoreUnavailableError(key, f"{type(error).__name__}: not all came as it was")
        case ValueError():
            # The SDK's, where a part was stored by halves: a new upload begins anew.
            return StoreUnavailableError(key, "the store's answer cannot be read")
        case _:
            return from_fault(key, error)


def _unanswered(error: Exception, place: Place) -> str:
    match error:
        case requests.exceptions.SSLError():
            return "the store's TLS certificate is not trusted: set REQUESTS_CA_BUNDLE"
        case requests.Timeout():
            return place.unanswered("it took too long")
        case _:
            return place.unanswered(type(error).__name__)


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
