"""obstore's errors as ours."""

import contextlib
import re
from collections.abc import Iterator

from obstore import exceptions

from truss_outbox.contract.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    NotFoundError,
    StoreError,
    StoreUnavailableError,
)

_REFUSED = "the bucket refuses these credentials: check them and what they allow"
_SKEWED = "RequestTimeTooSkewed"
_WRONG_TIME = "this machine's clock differs too much from the bucket's: set it, by NTP for example"
_STATUS = re.compile(r"status code: (\d{3})")
_ODD_KEY = re.compile(r'object with invalid path: .*?Path "(.+?)"(?: contained|: )', re.DOTALL)
_DENIED_OBJECT = "(code: AccessDenied)"
_ABSENT = (FileNotFoundError, exceptions.NotFoundError)
_EXISTS = (FileExistsError, exceptions.AlreadyExistsError, exceptions.PreconditionError)
_DENIED = (
    PermissionError,
    exceptions.PermissionDeniedError,
    exceptions.UnauthenticatedError,
)


@contextlib.contextmanager
def translated(key: str) -> Iterator[None]:
    """obstore's errors come out as ours, with `key` in their message."""
    try:
        yield
    except _ABSENT as error:
        raise NotFoundError(key) from error
    except _EXISTS as error:
        raise AlreadyExistsError(key) from error
    except _DENIED as error:
        raise _refusal(key, error) from error
    except exceptions.GenericError as error:
        raise _from_generic(key, error) from error
    except exceptions.BaseError as error:
        raise StoreError(key, _unlisted(error) or first_line(error)) from error
    except OSError as error:
        raise StoreUnavailableError(key, error.strerror or type(error).__name__) from error


def _refusal(key: str, error: Exception) -> StoreError:
    return AccessDeniedError(key, _WRONG_TIME if _SKEWED in str(error) else _REFUSED)


def _from_generic(key: str, error: Exception) -> StoreError:
    """Listing reports every refusal as a generic error with the answer's status in its text.

    Deletion, which goes by DeleteObjects, reports one with the object's own code.
    """
    if _DENIED_OBJECT in str(error):
        return _refusal(key, error)
    status = _STATUS.search(str(error))
    match int(status[1]) if status else None:
        case 401 | 403:
            return _refusal(key, error)
        case 404:
            return StoreError(key, "there is no such bucket: check root and endpoint_url")
        case code if code is None or code in {408, 429} or code >= 500:
            return StoreUnavailableError(key, first_line(error))
        case _:
            return StoreError(key, first_line(error))


def _unlisted(error: Exception) -> str | None:
    """Which object's odd key makes obstore refuse a whole listing."""
    odd = _ODD_KEY.search(str(error))
    return odd and f"one object keeps all from being listed, and is no result: delete {odd[1]!a}"


def first_line(error: Exception) -> str:
    return str(error).split("\n", maxsplit=1)[0].split(": <")[0].strip()[:300]
