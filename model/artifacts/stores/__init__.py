"""Where objects are kept. One module per kind of bucket; `open_store` picks it by URL."""

from model.artifacts.stores.opening import S3Options, open_store
from model.artifacts.stores.protocol import ObjectStore
from model.artifacts.stores.retrying import RetryingStore

__all__ = ["ObjectStore", "RetryingStore", "S3Options", "open_store"]
