"""Where objects are kept. One module per kind of bucket; `open_store` picks it by URL."""

from .gcs.options import GcsOptions, WorkloadIdentity
from .open_store import open_store
from .protocol import ObjectStore
from .retrying import RetryingStore
from .s3.options import S3Options, WebIdentity

__all__ = [
    "GcsOptions",
    "ObjectStore",
    "RetryingStore",
    "S3Options",
    "WebIdentity",
    "WorkloadIdentity",
    "open_store",
]
