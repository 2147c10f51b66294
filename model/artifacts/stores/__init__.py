"""Where objects are kept. One module per kind of bucket; `open_store` picks it by URL."""

from model.artifacts.stores.gcs_options import GcsOptions, WorkloadIdentity
from model.artifacts.stores.opening import open_store
from model.artifacts.stores.protocol import ObjectStore
from model.artifacts.stores.retrying import RetryingStore
from model.artifacts.stores.s3_options import S3Options, WebIdentity

__all__ = [
    "GcsOptions",
    "ObjectStore",
    "RetryingStore",
    "S3Options",
    "WebIdentity",
    "WorkloadIdentity",
    "open_store",
]
