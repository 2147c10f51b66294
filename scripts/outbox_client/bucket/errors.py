"""obstore's errors as ours."""

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import TypeVar

from obstore import exceptions

from truss_outbox.contract.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    NotFoundError,
    StoreError,
    StoreUnavailableError,
)
from truss_outbox.retrying import is_transient

_REFUSED = "the bucket refuses these credentials: check them and what they allow"
_SKEWED = "RequestTimeTooSkewed"
_WRONG_TIME = "this machine's clock differs too much from the bucket's: set it, by NTP for example"
_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
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
def translated(key: str, *, is_conditional: bool = False) -> Iterator[None]:
    """obstore's errors come out as ours, with `key` in their message.

    Only where the call `is_conditional`, made with If-None-Match, can the object exist already.
    """
    try:
        yield
    except _ABSENT as error:
        raise _absence(key, error) from error
    except _EXISTS as error:
        raise _conflict(key, error, is_conditional=is_conditional) from error
    except _DENIED as error:
        raise _refusal(key, error) from error
    except exceptions.GenericError as error:
        raise _from_generic(key, error) from error
    except exceptions.BaseError as error:
        raise StoreError(key, _unlisted(error) or first_line(error)) from error
    except OSError as error:
        raise StoreUnavailableError(key, error.strerror or type(error).__name__) from error


def _absence(key: str, error: Exception) -> StoreError:
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


C = TypeVar("C")


def repeatable(provider: Callable[[], C], may_pass: Callable[[Exception], bool]) -> Callable[[], C]:
    """Credentials whose service's faults are told from its refusals.

    Of what a provider raises, obstore keeps the name and the words: `translated` looks for them.
    """

    def credentials() -> C:
        try:
            return provider()
        except Exception as error:
            if may_pass(error):
                raise StoreUnavailableError("credentials", type(error).__name__) from error
            raise

    return credentials


def _refusal(key: str, error: Exception) -> StoreError:
    if StoreUnavailableError.__name__ in str(error):
        return StoreUnavailableError(
            key, "the service that gives the credentials does not answer, or has a fault"
        )
    return AccessDeniedError(key, _WRONG_TIME if _SKEWED in str(error) else _REFUSED)


def _from_generic(key: str, error: Exception) -> StoreError:
    """Listing reports every refusal as a generic error with the answer's status in its text.

    Deletion, which goes by DeleteObjects, reports one with the object's own code.
    """
    if _DENIED_OBJECT in str(error):
        return _refusal(key, error)
    status, code = _answer(error)
    if status in {401, 403}:
        return _refusal(key, error)
    if status == 404:
        return StoreError(key, "there is no such bucket: check root and endpoint_url")
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
