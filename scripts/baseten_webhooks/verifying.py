"""Whether a delivery is Baseten's, and fresh. Pure: no clock, no memory."""

import hmac
from collections.abc import Iterable, Sequence
from typing import Protocol

from .errors import MissingSignatureError, NoSecretError, StaleEventError, WrongSignatureError
from .event import Event
from .signing import SIGNATURE, signature, signatures

TOLERANCE_SECONDS = 300.0


class Headers(Protocol):
    """A dict, or what FastAPI, Flask or httpx call headers; upper or lower case is one."""

    def items(self) -> Iterable[tuple[str, str]]: ...


def verify(
    headers: Headers,
    body: bytes,
    *,
    secrets: Sequence[str],
    now: float,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> Event:
    """The event in `body`, the bytes as they came. `now` is in seconds since 1970.

    While a secret is rotated there are two of them, here or there or on both sides: it is enough
    that one signature fits one secret. A replay within the tolerance passes, as does the
    service's own repetition: whoever must act once remembers `request_id`. The request id in the
    headers is not signed, and not looked at.

    Raises NoSecretError, and WebhookError: MissingSignatureError, WrongSignatureError,
    MalformedPayloadError, StaleEventError.
    """
    _check_secrets(secrets)
    sent = signatures(_header(headers, SIGNATURE))
    if not sent:
        raise MissingSignatureError
    if not _any_fits(sent, [signature(body, secret) for secret in secrets]):
        raise WrongSignatureError(signatures=len(sent), secrets=len(secrets))
    event = Event.parse(body)
    age_seconds = now - event.time.timestamp()
    if abs(age_seconds) > tolerance_seconds:
        raise StaleEventError(age_seconds=age_seconds, tolerance_seconds=tolerance_seconds)
    return event


def _check_secrets(secrets: Sequence[str]) -> None:
    if isinstance(secrets, str):
        raise NoSecretError("secrets is one string: pass a list, or its letters are the secrets")
    if not secrets or not all(secret.strip() for secret in secrets):
        raise NoSecretError("there is no webhook secret, or an empty one: nothing can be verified")


def _header(headers: Headers, name: str) -> str:
    """Sent more than once, they are one list."""
    return ",".join(value for key, value in headers.items() if key.lower() == name.lower())


def _any_fits(sent: Iterable[str], expected: Sequence[str]) -> bool:
    """As bytes, for what is sent may be anything; each is compared in constant time."""
    candidates = [one.encode(errors="replace") for one in sent]
    return any(
        hmac.compare_digest(candidate, one.encode()) for candidate in candidates for one in expected
    )
