"""What doctor says of its canaries. Pure, but for `check_by_canaries`, which sends them."""

from collections.abc import Iterator
from dataclasses import replace

from truss_outbox.contract.errors import CanaryError
from truss_outbox.contract.keys import CANARY_FAILURE, CANARY_FOLDER
from truss_outbox.contract.manifest import Failure

from ..bucket.naming import Naming
from ..errors import RefusedRequestError, ServiceError, ServiceUnavailableError
from ..service.api import bare_id
from ..text import duration_text
from .canaries import CleanUp, SentCanary, Trial
from .checks import Check, ok, unknown, wrong

_SUCCEEDED = frozenset({"SUCCEEDED", "WEBHOOK_FAILED"})
# How a library that is older than canaries refuses one.
_OLD_LIBRARY = "canary: unknown field"
_UPDATE = (
    "the model's library is too old to know canaries: put today's into the Truss and push it again"
)
_NO_LIBRARY = (
    "the model does not use the library (@stored), or it reads its metadata from another field"
    " (metadata_field)"
)
_SILENT = (
    "the service says that it succeeded, and no manifest came:"
    f" {_NO_LIBRARY}, or its root is another: see the sync canary"
)
_WAITED = (
    "it waited in the queue for {waited}: the model is not up, or busy; look at the deployment, or"
    " wait longer with --timeout"
)
_MISSING = {
    "SUCCEEDED": _SILENT,
    "WEBHOOK_FAILED": _SILENT,
    "QUEUED": _WAITED,
    "EXPIRED": _WAITED,
    "IN_PROGRESS": "it is not done after {waited}, and a canary needs no inference: look at the"
    " model's log, or wait longer with --timeout",
}
_NAME_ITEMS = "name every item (metadata.item), as `outbox run` does"


def check_by_canaries(trial: Trial, *, model_version: str | None) -> Iterator[Check]:
    """Send three canaries, say what became of them, and delete what they left in the bucket.

    Raises StoreError where the bucket cannot be read.
    """
    try:
        plain, retried = trial.submit("async"), trial.submit("retry", fail_attempts=1)
        trial.wait()
        seconds = trial.timeout_seconds
        first = check_async(plain, waited_seconds=seconds)
        yield first
        yield check_request_id(plain)
        again = check_retry(retried, waited_seconds=seconds)
        yield replace(again, said="as the async canary") if again.said == first.said else again
        yield check_retry_id(retried)
        # Now the model is up, if it ever is: a synchronous call is not waited for as long.
        called = trial.call("sync")
        yield check_sync(called, root=trial.bucket.root)
        yield check_told([plain, retried, called], trial.naming, model_version=model_version)
    finally:
        left = trial.clean_up()
    yield check_clean_up(left, other_root=called.other_root)


def check_async(canary: SentCanary, *, waited_seconds: float) -> Check:
    """Whether it was taken, stored, and reported as SUCCEEDED."""
    name = "async canary"
    if problem := _problem(canary, waited_seconds):
        return wrong(name, problem)
    return ok(name, f"{_stored(canary)}; {_reported(canary)}")


def check_retry(canary: SentCanary, *, waited_seconds: float) -> Check:
    """Whether the first attempt failed, as it was asked to, and another one was stored."""
    name = "retry canary"
    if problem := _problem(canary, waited_seconds):
        return wrong(name, problem)
    if _failed_attempt(canary) is None:
        return wrong(
            name,
            "the first attempt left no failure record, so that nobody can tell why a request"
            " failed: `outbox policy --for writer` prints the rights that the model needs",
        )
    return ok(name, f"its first attempt failed as asked, another one was {_stored(canary)}")


def check_request_id(canary: SentCanary) -> Check:
    """Whether the id of the service's answer is the one that the model received."""
    name = "request id"
    answered, received = canary.answered_id, canary.told.get("request_id")
    if canary.manifest is None or answered is None:
        return unknown(name, "it takes an answered submit and a manifest to compare them")
    if received is None:
        return wrong(name, f"the model received none, the answer has {answered}: {_NAME_ITEMS}")
    if bare_id(str(received)) != bare_id(answered):
        said = f"the model received {received}, the answer has {answered}"
        return wrong(name, f"{said}: {_NAME_ITEMS}")
    if received != answered:
        return ok(name, f"the same up to the colon: received {received}, answered {answered}")
    return ok(name, "the id of the answer is the one that the model received")


def check_retry_id(canary: SentCanary) -> Check:
    """Whether another attempt had the same id."""
    name = "retry id"
    failed = _failed_attempt(canary)
    if canary.manifest is None or failed is None:
        return unknown(name, "it takes a failed attempt and a stored one to compare them")
    first, second = failed.request_id, canary.manifest.request_id
    if first != second:
        said = f"a new id on every retry: the first attempt had {first}, the stored one {second}"
        return wrong(name, f"{said}; without an item each would be stored anew: {_NAME_ITEMS}")
    return ok(name, "every attempt had the same id")


def check_sync(canary: SentCanary, *, root: str) -> Check:
    """Whether the call was answered by the pointer to a result that is there."""
    name = "sync canary"
    if problem := _sync_problem(canary, root):
        return wrong(name, problem)
    return ok(name, f"answered by the pointer, {_stored(canary)}")


def check_told(canaries: list[SentCanary], naming: Naming, *, model_version: str | None) -> Check:
    """Which environment and versions the model is of."""
    name = "model told"
    canary = next((one for one in canaries if one.manifest), None)
    if canary is None or canary.manifest is None:
        return unknown(name, "it shows in a manifest, and none came")
    model, told = canary.manifest.model, canary.told
    environment = told.get("environment")
    # A stand-in's model has none, and of a deployment nobody may have said which it serves.
    if None not in {environment, naming.environment} and environment != naming.environment:
        said = f"it serves the environment {environment}, and was called as {naming.environment}"
        return wrong(name, f"{said}: keys with {{environment}} differ; check --environment")
    if model_version not in {None, model.version}:
        said = f"its version is {model.version!r}, here {model_version!r}"
        return wrong(name, f"{said}: `truss push` this checkout, or check out what is deployed")
    versions = (f"{one} {told.get(one) or 'unknown'}" for one in ("truss_outbox", "truss"))
    return ok(name, f"environment {environment or 'none'}, {', '.join(versions)}")


def check_clean_up(done: CleanUp, *, other_root: str | None) -> Check:
    """What stays is no fault of the deployment's."""
    name = "clean up"
    if other_root is not None:
        return unknown(name, f"{CANARY_FOLDER}/ stays behind in {other_root}, a few small objects")
    if done.error is None:
        return ok(name, "the canaries' objects are gone")
    first = f", such as {done.left[0]}" if done.left else ""
    said = f"{len(done.left)} small object(s) of the canaries stay behind{first}: {done.error}"
    return unknown(name, f"{said}; `outbox policy --for client` has the right to delete them")


def _problem(canary: SentCanary, waited_seconds: float) -> str | None:
    """What went wrong on the way from the submit to the manifest, with the remedy."""
    if canary.error is not None:
        return _call_problem(canary)
    if canary.problem is not None:
        return str(canary.problem)
    if canary.manifest is None:
        return _missing(canary, waited_seconds)
    if canary.has_ended and not _succeeded(canary):
        return f"{_stored(canary)}, and {_reported(canary)}: trust the bucket"
    return None


def _sync_problem(canary: SentCanary, root: str) -> str | None:
    if canary.error is not None:
        busy = "no answer came to the synchronous call: the model is busy, or not up"
        return f"{busy} ({canary.error})" if canary.is_lost else _call_problem(canary)
    if canary.answered_manifest is None:
        return f"the answer is no pointer: {_NO_LIBRARY}"
    if canary.other_root not in {None, root}:
        roots = f"the model's root is {canary.other_root}, the one here {root}"
        return f"{roots}: make them the same"
    if canary.problem is not None:
        return str(canary.problem)
    if canary.manifest is None:
        lost = "the pointer came, and its manifest is not in the bucket"
        return f"{lost}: check that endpoint_url is the model's"
    return None


def _call_problem(canary: SentCanary) -> str:
    error = canary.error
    if _is_too_old(canary):
        return f"{_UPDATE} ({error})"
    if canary.is_lost:
        came = (
            f"the request ran all the same, {_stored(canary)}"
            if canary.manifest
            else "no manifest came, so nobody knows whether the request ran"
        )
        return (
            f"the answer to the submit is lost, and {came}; `outbox run` sends again what has no"
            f" answer, and gets one result ({error})"
        )
    match error:
        case RefusedRequestError():
            return f"{error}; the model's log says why: {_NO_LIBRARY}, or it checks its input first"
        case ServiceUnavailableError():
            return f"{error}; run doctor again: it may pass; if not, look at the model's log"
        case ServiceError(status=None):
            return f"{error}: {_NO_LIBRARY}"
        case _:
            return str(error)


def _missing(canary: SentCanary, waited_seconds: float) -> str:
    """Why there is no manifest, by what else is known."""
    status = canary.status.status if canary.status else "unknown"
    if _is_too_old(canary):
        return f"{_UPDATE} ({_reason(canary)})"
    if status == "FAILED":
        return f"{_why_it_failed(canary)} ({_reason(canary)})"
    said = _MISSING.get(status, f"its status is {status}, and no manifest came in {{waited}}")
    return said.format(waited=_duration(waited_seconds))


def _why_it_failed(canary: SentCanary) -> str:
    if not canary.failures:
        return (
            f"it failed and left no failure record: {_NO_LIBRARY}, or its root is another; see the"
            " model's log"
        )
    if not _other_failures(canary):
        return (
            "the service did not repeat the attempt that failed, whatever inference_retry_config"
            " says: `outbox retry` sends again what failed"
        )
    return "it failed"


def _reason(canary: SentCanary) -> str:
    if failures := _other_failures(canary) or canary.failures:
        return f"{failures[-1].code}: {failures[-1].message}"
    errors = canary.status.errors if canary.status else ()
    return ": ".join(errors[0]) if errors else "without a reason"


def _is_too_old(canary: SentCanary) -> bool:
    said = [str(canary.error), *(failure.message for failure in canary.failures)]
    if canary.status is not None:
        said += [message for _, message in canary.status.errors]
    return any(_OLD_LIBRARY in one for one in said)


def _failed_attempt(canary: SentCanary) -> Failure | None:
    return next((one for one in canary.failures if one.attempt == CANARY_FAILURE), None)


def _other_failures(canary: SentCanary) -> list[Failure]:
    return [one for one in canary.failures if one.code != CanaryError.code]


def _succeeded(canary: SentCanary) -> bool:
    return canary.status is not None and canary.status.status in _SUCCEEDED


def _reported(canary: SentCanary) -> str:
    if canary.status is None:
        return "the service does not tell its status"
    why = f" ({_reason(canary)})" if canary.has_ended and not _succeeded(canary) else ""
    return f"the service says {canary.status.status}{why}"


def _stored(canary: SentCanary) -> str:
    seconds = canary.committed_seconds
    by_bucket = "" if seconds is None else f" ({seconds:.0f} s by the bucket's clock)"
    return f"stored within {_duration(canary.seen_seconds or 0)}{by_bucket}"


def _duration(seconds: float) -> str:
    return duration_text(1_000 * seconds)
