"""What goes wrong in a call that the store itself did not answer, in this project's errors."""

import re
from dataclasses import dataclass

from ..contract.errors import StoreError, StoreUnavailableError
from ..retrying import is_transient
from .network import Place

_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
_OWN_FILE = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)


class WebPage(Exception):  # noqa: N818  # of itself it is none: an adapter makes one of ours of it
    """A page for people came in the place of an answer; `status` is HTTP's."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(f"a web page (HTTP {status})")


@dataclass(frozen=True, kw_only=True, slots=True)
class CredentialsProblem:
    """`may_pass`: who gives the credentials did not answer, or had a fault."""

    said: str
    may_pass: bool = False


def is_page(content_type: str | None) -> bool:
    """Whether an answer of this type is for people: no bucket and no API says anything in HTML."""
    return (content_type or "").lower().startswith(("text/html", "application/xhtml"))


def tunnel_status(said: object) -> int | None:
    """HTTP's status with which a proxy refused to let a connection through, if an error says so."""
    status = _TUNNEL.search(str(said))
    return int(status[1]) if status else None


def from_page(key: str, status: int | None, place: Place) -> StoreError:
    """Where something else answered in the store's place; it may pass where nothing is known."""
    kind = StoreUnavailableError if is_transient(status) else StoreError
    return kind(key, place.answered_instead(status))


def from_fault(key: str, error: BaseException) -> StoreError:
    """Of anything that nobody foresaw: a file here, a fault of an SDK, a native library's panic."""
    if isinstance(error, _OWN_FILE):
        return StoreError(key, f"a file here cannot be used: {error.strerror}")
    if isinstance(error, OSError):
        return StoreUnavailableError(key, error.strerror or type(error).__name__)
    return StoreError(key, f"an unexpected {type(error).__name__}: please report it")
