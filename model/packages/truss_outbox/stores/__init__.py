"""Where objects are kept. One module per kind of bucket; `open_store` picks it by URL."""

from typing import TYPE_CHECKING, Any

from .open_store import open_store

if TYPE_CHECKING:
    from .gcs.options import GcsOptions, GcsSettings
    from .protocol import ObjectStore
    from .retrying import RetryingStore
    from .s3.options import S3Options, S3Settings

__all__ = [
    "GcsOptions",
    "GcsSettings",
    "ObjectStore",
    "RetryingStore",
    "S3Options",
    "S3Settings",
    "open_store",
]

_HOMES = {
    "GcsOptions": "gcs.options",
    "GcsSettings": "gcs.options",
    "ObjectStore": "protocol",
    "RetryingStore": "retrying",
    "S3Options": "s3.options",
    "S3Settings": "s3.options",
}


def __getattr__(name: str) -> Any:
    """Loads a name's module when it is first asked for: the companion needs few of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
