"""obstore's errors as ours."""

import contextlib
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeVar

from obstore import exceptions
from obstore.store import S3Store

from truss_outbox.contract.errors import (
    INTERRUPTIONS,
    AccessDeniedError,
    AlreadyExistsError,
    ConfigurationError,
    NotFoundError,
    OutboxError,
    StoreError,
    StoreUnavailableError,
)
from truss_outbox.retrying import is_transient
from truss_outbox.stores.faults import WebPage, from_fault, from_page
from truss_outbox.stores.network import PROXY_LOGIN, Place

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

_NO_TIME = datetime.fromtimestamp(0, UTC)
_REFUSED = "the bucket refuses these credentials: check them and what they allow"
_SKEWED = "RequestTimeTooSkewed"
_WRONG_TIME = "this machine's clock differs too much from the bucket's: set it, by NTP for example"
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_ODD_KEY = re.compile(r'object with invalid path: .*?Path "(.+?)"(?: contained|: )', re.DOTALL)
_PAGE = re.compile(r"status code: (\d{3})[^:\n]*:\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_NO_BUCKETS = {
    "ProxyAuthRequired": PROXY_LOGIN,
    f"status code: {PROXY_LOGIN}": PROXY_LOGIN,
    "MissingEtag": 200,
    "MissingLastModified": 200,
    "InvalidListResponse": 200,
    "InvalidPutResponse": 200,
}
"""What obstore's account of an error says of an answer that no bucket gives."""
_ABSENT = (FileNotFoundError, exceptions.NotFoundError)
_EXISTS = (FileExistsError, exceptions.AlreadyExistsError, exceptions.PreconditionError)
_DENIED = (
    PermissionError,
    exceptions.PermissionDeniedError,
    exceptions.UnauthenticatedError,
)
_WHOLE_OBJECT = "non-partial response"
_NO_RANGE = 416
_REDIRECT = re.compile(r"BareRedirect|status code: 3\d\d")
_CAUSES = {
    "ConnectionRefused": "connection refused",
    "dns error": "its name is not known",
    "InvalidContentType": "it speaks no TLS: is it http://?",
    "InvalidCertificate": "its TLS certificate is not trusted: set AWS_CA_BUNDLE, or"
    " REQUESTS_CA_BUNDLE",
    "UnknownIssuer": "its TLS certificate is not trusted: set AWS_CA_BUNDLE, or REQUESTS_CA_BUNDLE",
    "TimedOut": "in time",
    "timed out": "in time",
    "ConnectionReset": "connection reset",
}
"""What obstore's account of an error says, and what it means."""

C_co = TypeVar("C_co", covariant=True)


class Credentials(Generic[C_co]):
    """What obstore asks for credentials. Of an error it would keep no more than the words."""

    def __init__(
        self, fetch: Callable[[], C_co], translated: Callable[[], AbstractContextManager[None]]
    ) -> None:
        """`translated` is the model's: both sides tell a problem in the same words."""
        self.failure: OutboxError | None = None
        self._fetch = fetch
        self._translated = translated

    def __call__(self) -> C_co:
        try:
            with self._translated():
                credentials = self._fetch()
        except OutboxError as error:
            self.failure = error
            raise
        self.failure = None
        return credentials


@contextlib.contextmanager
def translated(
    key: str,
    place: Place,
    credentials: Credentials[object] | None = None,
    *,
    is_conditional: bool = False,
) -> Iterator[None]:
    """Whatever goes wrong comes out as ours, with `key` in its message; native panics too.

    Only where the call `is_conditional`, made with If-None-Match, can the object exist already.
    """
    try:
        yield
    except (OutboxError, *INTERRUPTIONS):
        raise
    except BaseException as error:
        failure = credentials.failure if credentials else None
        # Other calls may fail meanwhile for reasons of their own.
        if failure is not None and type(failure).__name__ in str(error):
            raise _of_credentials(key, failure) from error
        if isinstance(error, _EXISTS):
            raise _conflict(key, error, is_conditional=is_conditional) from error
        raise _of_page(key, error, place) or _of_bucket(key, error, place) from error


def _of_credentials(key: str, failure: OutboxError) -> OutboxError:
    match failure:
        case AccessDeniedError() | StoreUnavailableError():
            return type(failure)(key, failure.problem)
        case ConfigurationError():
            return ConfigurationError(failure.setting, failure.problem)
        case _:
            return AccessDeniedError(key, str(failure))


def is_of_no_bucket(error: Exception) -> bool:
    """Whether no bucket gives the answer that obstore tells of."""
    return any(sign in str(error) for sign in _NO_BUCKETS)


def is_of_ranges(error: Exception) -> bool:
    """Whether an object, or what answers, has not the range that was asked for."""
    return _WHOLE_OBJECT in str(error) or f"status code: {_NO_RANGE}" in str(error)


def check_is_object(store: "ObjectStore", meta: "ObjectMeta") -> None:
    """Raises WebPage for what S3 never has: an object without a tag and a time.

    Of GCS obstore takes none such.
    """
    is_bare = meta["e_tag"] is None and meta["last_modified"] == _NO_TIME
    if is_bare and isinstance(store, S3Store):
        raise WebPage(200)


def _of_page(key: str, error: BaseException, place: Place) -> StoreError | None:
    """Where something else answered in the bucket's place."""
    said = str(error)
    if isinstance(error, WebPage):
        return from_page(key, error.status, place)
    if page := _PAGE.search(said):
        return from_page(key, int(page[1]), place)
    if found := next((status for sign, status in _NO_BUCKETS.items() if sign in said), None):
        return from_page(key, found, place)
    if "TunnelUnsuccessful" in said:
        return from_page(key, None, place)
    if _REDIRECT.search(said):
        # S3's own lead to another region: obstore does not say whose it was.
        problem = "(with a redirect; the bucket's own leads to another region: set region)"
        return StoreError(key, f"{place.answered_instead()} {problem}")
    return None


def _of_bucket(key: str, error: BaseException, place: Place) -> StoreError:
    if isinstance(error, _ABSENT):
        return _absence(key, error)
    if isinstance(error, _DENIED):
        return _refusal(key, error)
    match error:
        case exceptions.GenericError():
            return _from_generic(key, error, place)
        case exceptions.BaseError():
            return StoreError(key, _unlisted(error) or first_line(error))
        case _:
            return from_fault(key, error)


def _absence(key: str, error: BaseException) -> StoreError:
    if "NoSuchUpload" in str(error):
        return StoreUnavailableError(key, "the upload is gone: it has to begin anew")
    return NotFoundError(key)


def _conflict(key: str, error: Exception, *, is_conditional: bool) -> StoreError:
    """obstore says of every 409 and 412 that the object exists.

    Another conditional write may be under way, and yet fail; a 412 may be about a damaged body.
    """
    if is_conditional and _answer(error) != (409, "ConditionalRequestConflict"):
        return AlreadyExistsError(key)
    return StoreUnavailableError(key, first_line(error))


def _refusal(key: str, error: BaseException) -> StoreError:
    return AccessDeniedError(key, _WRONG_TIME if _SKEWED in str(error) else _REFUSED)


def _from_generic(key: str, error: Exception, place: Place) -> StoreError:
    """Listing reports every refusal as a generic error with the answer's status in its text."""
    status, code = _answer(error)
    if status in {401, 403}:
        return _refusal(key, error)
    if status == 404:
        return StoreError(key, "there is no such bucket: check root and endpoint_url")
    if _WHOLE_OBJECT in str(error):  # it answered, and always will
        return StoreError(key, "this server ignores ranges, which fetching needs: use another")
    if status is None:
        causes = (cause for sign, cause in _CAUSES.items() if sign in str(error))
        return StoreUnavailableError(key, place.unanswered(next(causes, first_line(error))))
    kind = StoreUnavailableError if is_transient(status, code) else StoreError
    return kind(key, first_line(error))


def _answer(error: Exception) -> tuple[int | None, str]:
    """Status and code of the bucket's answer: None without one, 200 where only its body fails."""
    said = str(error)
    status, code = _STATUS.search(said), _CODE.search(said)
    if status is None and code is None:
        return None, ""
    return int(status[1]) if status else 200, code[1] if code else ""


def _unlisted(error: Exception) -> str | None:
    """Which object's odd key makes obstore refuse a whole listing."""
    odd = _ODD_KEY.search(str(error))
    return odd and f"one object keeps all from being listed, and is no result: delete {odd[1]!a}"


def first_line(error: Exception) -> str:
    return str(error).split("\n", maxsplit=1)[0].split(": <")[0].strip()[:300]
