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
_UNSAFE = (
    "a create-only write replaced an object: the store ignores If-None-Match, so results could"
    " overwrite each other; use a store with conditional writes, or set allow_unsafe_commit"
)

logger = logging.getLogger(__name__)


def probe(store: ObjectStore, *, allow_unsafe_commit: bool = False) -> bool:
    """Write, read, look for what is missing, create twice and in a race, delete.

    Returns whether commits are safe, which they are unless `allow_unsafe_commit` had to be used.
    Raises ConfigurationError: a line for each promise that is broken, with the remedy.
    """
    name = f"probes/{new_attempt()}"
    patient = RetryingStore(store, timeout_seconds=PATIENCE_SECONDS)
    try:
        problems = _broken_promises(patient, name)
        safe = _create_is_exclusive(patient, name)
    except StoreError as error:
        raise ConfigurationError("root", f"{store.root} cannot be used: {error}") from error
    if not safe and not allow_unsafe_commit:
        problems.append(_UNSAFE)
    _clean_up(store, name)
    if problems:
        raise ConfigurationError("root", f"{store.root} cannot be used: " + "\n".join(problems))
    if not safe:
        logger.warning("results can overwrite each other: allow_unsafe_commit is in use")
    return safe


def _broken_promises(store: ObjectStore, name: str) -> list[str]:
    """Raises StoreError where nothing can be written, or nobody answers."""
    with contextlib.suppress(AlreadyExistsError):  # Ours: the name is new, and a reply was lost.
        store.create(name, _CONTENT, content_type=_TYPE)
    problems = []
    for ask in (_put_file, _read_back, _miss):
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
