"""Where objects are kept. One module per kind of bucket; `open_store` picks it by URL."""

from .gcs.options import GcsOptions, GcsSettings
from .open_store import open_store
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
