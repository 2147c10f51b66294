"""Whether a store keeps the promises the commit protocol needs, asked before any work is done."""

from model.artifacts.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    ConfigurationError,
    StoreError,
)
from model.artifacts.stores import ObjectStore
from model.artifacts.writing import new_attempt

_CONTENT = b"Outbox writes this when a model loads; it may be deleted.\n"


def probe(store: ObjectStore) -> None:
    """Create, create again, read back, delete. Raises ConfigurationError with the remedy."""
    key = f"probes/{new_attempt()}"
    try:
        store.create(key, _CONTENT, content_type="text/plain")
        content = store.get(key)
        _check_create_only(store, key)
    except StoreError as error:
        raise ConfigurationError("root", f"{store.root} cannot be used: {error}") from error
    if content != _CONTENT:
        raise ConfigurationError("root", f"{store.root} returns other bytes than were written")
    try:
        store.delete(key)
    except AccessDeniedError:
        return  # A writer that may not delete only leaves the objects of lost races behind.


def _check_create_only(store: ObjectStore, key: str) -> None:
    try:
        store.create(key, _CONTENT, content_type="text/plain")
    except AlreadyExistsError:
        return
    raise ConfigurationError(
        "root",
        f"{store.root} let a second create-only write succeed: it ignores If-None-Match, so results"
        " could overwrite each other; use a store with conditional writes",
    )
