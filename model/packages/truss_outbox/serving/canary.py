"""A request of `outbox doctor --send`: it goes the whole way, but for the inference."""

import platform
from importlib import metadata

from pydantic import JsonValue

from .. import __version__
from ..contract.errors import CanaryError, NotFoundError
from ..contract.keys import CANARY_FAILURE, failure_key
from ..stores import ObjectStore
from .results import Finished
from .work import Work

CANARY_ARTIFACT = "canary.txt"


def answer_canary(work: Work, store: ObjectStore) -> Finished:
    """A small result and file. Raises CanaryError where the first attempt is to fail."""
    canary = work.metadata.canary
    if canary is not None and canary.fail_attempts and not _has_failed(work, store):
        raise CanaryError
    path = work.directory / CANARY_ARTIFACT
    path.write_text("outbox canary\n")
    given = work.caller.headers.get("x-baseten-request-id") if work.caller else None
    result: dict[str, JsonValue] = {
        # As the model received it, of which the manifest has what stands before the first colon.
        "request_id": given,
        "environment": work.attempt.model.environment,
        "python": platform.python_version(),
        "truss": _truss_version(),
        "truss_outbox": __version__,
    }
    return Finished(result=result, files={CANARY_ARTIFACT: path})


def _truss_version() -> str | None:
    # An image has the files of Truss's server, and no package that says which version they are of.
    try:
        return metadata.version("truss")
    except metadata.PackageNotFoundError:
        return None


def _has_failed(work: Work, store: ObjectStore) -> bool:
    try:
        store.get(failure_key(work.attempt.key, CANARY_FAILURE))
    except NotFoundError:
        return False
    return True
