"""Whether a webhook was sent by Baseten, and lately. Pure: no clock, no memory."""

import hmac
import math
from collections.abc import Iterable, Sequence
from typing import Protocol

from .errors import (
    MalformedSecretError,
    MissingSignatureError,
    NoSecretError,
    StaleEventError,
    WrongSignatureError,
)
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

    One signature that fits one secret is enough: while a secret is rotated, each side may have two.
    The same event may come twice within the tolerance, repeated by the service or replayed: to
    act once, remember `request_id`. The request id in the headers is not signed, and ignored.

    Raises ValueError where one of the numbers is not finite, NoSecretError,
    MalformedSecretError, and WebhookError: MissingSignatureError, WrongSignatureError,
    MalformedPayloadError, StaleEventError.
    """
    check_tolerance(tolerance_seconds)
    if not math.isfinite(now):
        raise ValueError("now must be a finite number of seconds since 1970")
    check_secrets(secrets)
    sent = sent_signatures(headers)
    if not _any_fits(sent, [signature(body, secret) for secret in secrets]):
        raise WrongSignatureError(signatures=len(sent), secrets=len(secrets))
    event = Event.parse(body)
    age_seconds = now - event.time.timestamp()
    if abs(age_seconds) > tolerance_seconds:
        raise StaleEventError(age_seconds=age_seconds, tolerance_seconds=tolerance_seconds)
    return event


def check_tolerance(tolerance_seconds: float) -> None:
    """Raises ValueError: against NaN or infinity no event is ever too old."""
    if not (math.isfinite(tolerance_seconds) and tolerance_seconds >= 0):
        raise ValueError("tolerance_seconds must be a finite number, 0 or more")


def sent_signatures(headers: Headers) -> list[str]:
    """Of the body that is still to come. Raises MissingSignatureError."""
    sent = signatures(_header(headers, SIGNATURE))
    if not sent:
        raise MissingSignatureError
    return sent


def check_secrets(secrets: Sequence[str]) -> None:
    """Raises NoSecretError, MalformedSecretError."""
    if isinstance(secrets, str):
        raise NoSecretError("secrets is one string: pass a list, or its letters are the secrets")
    if not secrets or not all(secret.strip() for secret in secrets):
        raise NoSecretError("there is no webhook secret, or an empty one: nothing can be verified")
    for number, secret in enumerate(secrets, start=1):
        if any(map(str.isspace, secret)):
            raise MalformedSecretError(number)


def _header(headers: Headers, name: str) -> str:
    """A header that came more than once counts as one list, as HTTP has it."""
    return ",".join(value for key, value in headers.items() if key.lower() == name.lower())


def _any_fits(sent: Iterable[str], expected: Sequence[str]) -> bool:
    """Each comparison takes as long as any other, so that its time betrays nothing."""
    # As bytes: compare_digest raises for text that is not ASCII, and a header may hold any.
    candidates = [one.encode(errors="replace") for one in sent]
    return any(
        hmac.compare_digest(candidate, one.encode()) for candidate in candidates for one in expected
    )
