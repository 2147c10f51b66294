"""Baseten's webhooks on your side: `verify`, which needs the standard library alone."""

from scripts.webhooks.errors import (
    MalformedPayloadError,
    MissingSignatureError,
    NoSecretError,
    StaleEventError,
    WebhookError,
    WrongSignatureError,
)
from scripts.webhooks.event import Event, EventError
from scripts.webhooks.signing import sign
from scripts.webhooks.verifying import TOLERANCE_SECONDS, verify

__all__ = [
    "TOLERANCE_SECONDS",
    "Event",
    "EventError",
    "MalformedPayloadError",
    "MissingSignatureError",
    "NoSecretError",
    "StaleEventError",
    "WebhookError",
    "WrongSignatureError",
    "sign",
    "verify",
]
