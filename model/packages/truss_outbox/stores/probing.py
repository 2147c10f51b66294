"""Whether a store keeps the promises the commit protocol needs, asked before any work is done."""

import contextlib
import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..contract.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    ConfigurationError,
    NotFoundError,
    NotImplementedByStoreError,
    StoreError,
    StoreUnavailableError,
)
from ..contract.keys import new_attempt
from . import ObjectStore, RetryingStore

PATIENCE_SECONDS = 6.0
"""For one call of the probe: who starts a model with a wrong address waits no longer."""

_CONTENT = b"Outbox writes this when a model loads; it may be deleted.\n"
_TYPE = "text/plain"
_RACERS = 8
# As keys are: escapes that a server may undo, names as long as they may be.
_FOLDER = f"probes/job=x%2Fy~z/{'%E3%81%82' * 27}/{'long-' * 50}"
_UNSAFE = (
    "a create-only write replaced an object: the store ignores If-None-Match, so results could"
    " overwrite each other; use a store with conditional writes, or set allow_unsafe_commit"
)

logger = logging.getLogger(__name__)


class UnsafeStore:
    """A store without creates that hold: looks first, so that only who comes at the same moment
    can overwrite another's object."""

    def __init__(self, store: ObjectStore) -> None:
        self.root = store.root
        self.put_file = store.put_file
        self.put = store.put
        self.get = store.get
        self.get_file = store.get_file
        self.keys = store.keys
        self.delete = store.delete
        self.delete_all = store.delete_all

    def create(self, key: str, data: bytes, *, content_type: str) -> None:
        with contextlib.suppress(NotFoundError):
            self.get(key)
            raise AlreadyExistsError(key)
        self.put(key, data, content_type=content_type)


def probe(store: ObjectStore, *, allow_unsafe_commit: bool = False) -> bool:
    """Write, read, look for what is missing, create twice and in a race, delete.

    Returns whether commits are safe, which they are unless `allow_unsafe_commit` had to be used:
    then use the store as an UnsafeStore. Raises ConfigurationError: the first promise that is
    broken with its remedy, and a note for each other.
    """
    name = f"{_FOLDER}/{new_attempt()}"
    patient: ObjectStore = RetryingStore(store, timeout_seconds=PATIENCE_SECONDS)
    try:
        has_create = _create(patient, name, allow_unsafe_commit=allow_unsafe_commit)
        problems = _broken_promises(patient, name)
        safe = has_create and _create_is_exclusive(patient, name)
    except StoreError as error:
        raise ConfigurationError("root", f"{store.root} cannot be used: {error}") from error
    if not safe and not allow_unsafe_commit:
        problems.append(_UNSAFE)
    _clean_up(store, name)
    if problems:
        broken = ConfigurationError("root", f"{store.root} cannot be used: {problems[0]}")
        for further in problems[1:]:
            broken.add_note(further)
        raise broken
    if not safe:
        logger.warning("results can overwrite each other: allow_unsafe_commit is in use")
    return safe


def _create(store: ObjectStore, name: str, *, allow_unsafe_commit: bool) -> bool:
    """Whether the store has creates at all. Raises StoreError where nothing can be written."""
    try:
        store.create(name, _CONTENT, content_type=_TYPE)
    except NotImplementedByStoreError:
        if not allow_unsafe_commit:
            raise
        UnsafeStore(store).create(name, _CONTENT, content_type=_TYPE)
        return False
    except AlreadyExistsError:
        pass  # Ours: the name is new, and a reply was lost.
    return True


def _broken_promises(store: ObjectStore, name: str) -> list[str]:
    """Raises StoreError where nobody answers."""
    problems = []
    for ask in (_put_file, _read_back, _miss, _keep_escapes):
        try:
            ask(store, name)
        except StoreUnavailableError:
            raise
        except StoreError as error:
            problems.append(str(error))
            if ask is _read_back:
                break  # Who may not read cannot tell a missing object from a forbidden one.
    return problems


def _put_file(store: ObjectStore, name: str) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(_CONTENT)
        file.flush()
        store.put_file(f"{name}-file", Path(file.name), content_type=_TYPE)


def _read_back(store: ObjectStore, name: str) -> None:
    if store.get(name) != _CONTENT:
        raise StoreError(name, "the store returns other bytes than were written")


def _miss(store: ObjectStore, name: str) -> None:
    missing = f"{name}-missing"
    try:
        store.get(missing)
    except NotFoundError:
        return
    except AccessDeniedError as error:
        raise AccessDeniedError(
            missing,
            "an object that is missing looks like a forbidden one: grant the right to list the"
            " bucket (S3: s3:ListBucket on the bucket; GCS: storage.objects.list)",
        ) from error
    raise StoreError(missing, "the store returns an object that was never written")


def _keep_escapes(store: ObjectStore, name: str) -> None:
    undone = name.replace("%2F", "/")
    with contextlib.suppress(NotFoundError):
        store.get(undone)
        raise StoreError(name, "the store takes %2F in a key for /: use one that keeps keys as is")


def _create_is_exclusive(store: ObjectStore, name: str) -> bool:
    """Of a second writer, and of several at once, none replaces another's object."""

    def creates(key: str) -> bool:
        try:
            store.create(key, _CONTENT, content_type=_TYPE)
        except AlreadyExistsError:
            return False
        return True

    if creates(name):
        return False
    with ThreadPoolExecutor(_RACERS) as pool:
        return sum(pool.map(creates, [f"{name}-race"] * _RACERS)) <= 1


def _clean_up(store: ObjectStore, name: str) -> None:
    try:
        for suffix in ("", "-file", "-race"):
            store.delete(name + suffix)
    except AccessDeniedError:
        return  # A writer that may not delete only leaves the objects of lost races behind.
    except StoreError:
        logger.warning("the probe's objects were left behind", extra={"key": name})
