"""What the settings of every kind of store have in common."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class StoreSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    endpoint_url: str | None = None
    """Of a store that speaks S3's (or Google's) API; AWS's (or Google's) own when absent."""
    store_timeout_seconds: float = Field(default=60.0, gt=0)
    """For one store call with all its repetitions; then the request is answered 503."""


def group(settings: StoreSettings, prefix: str) -> dict[str, Any]:
    """The settings of one kind of store, by the names its options have for them."""
    return {
        name.removeprefix(prefix): getattr(settings, name)
        for name in type(settings).model_fields
        if name.startswith(prefix)
    }


def secret(secrets: Mapping[str, str], name: str) -> str | None:
    """None where there is no such Baseten secret, or nothing in it."""
    try:
        return secrets[name].strip() or None
    except Exception as error:
        # Truss raises a class of its own, importable only inside its server.
        if type(error).__name__ in {"SecretNotFound", "KeyError"}:
            return None
        raise
