"""Baseten's webhooks on your side: `verify`, which needs the standard library alone."""

from .errors import (
    MalformedPayloadError,
    MalformedSecretError,
    MissingSignatureError,
    NoSecretError,
    StaleEventError,
    WebhookError,
    WrongSignatureError,
)
from .event import Event, EventError
from .signing import sign
from .verifying import TOLERANCE_SECONDS, verify

__all__ = [
    "TOLERANCE_SECONDS",
    "Event",
    "EventError",
    "MalformedPayloadError",
    "MalformedSecretError",
    "MissingSignatureError",
    "NoSecretError",
    "StaleEventError",
    "WebhookError",
    "WrongSignatureError",
    "sign",
    "verify",
]
