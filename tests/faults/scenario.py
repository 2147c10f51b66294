"""One request through trouble: sent again as Baseten does, until it is answered."""

import hashlib
import queue
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from fastapi import HTTPException

from tests.asking_outbox import answer, settings
from tests.faults.faulty_store import Call, FaultyStore, Mode
from tests.faults.reader import Reader
from tests.tiny_inference import Request
from truss_outbox import Outbox
from truss_outbox.contract.keys import input_key
from truss_outbox.contract.manifest import Manifest
from truss_outbox.stores import ObjectStore, RetryingStore

KEY = "job=J/I"
DOCUMENT = b"two words"
INPUT = input_key(hashlib.sha256(DOCUMENT).hexdigest())
MODEL_INPUT = {"metadata": {"job": "J", "item": "I"}, "document": {"input": INPUT}}
REPEATED = {500, 503}
"""The answers after which Baseten sends a request again."""
ANSWER_SECONDS = 30


def tiny_outbox(store: ObjectStore, *, pending: int = 8) -> Outbox:
    return Outbox(
        settings=settings(max_pending_results=pending),
        bucket=store,
        model_name="tiny",
        request_type=Request,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """`answers` are those of all tries, late ones too; `tries` counts until the first good one."""

    tries: int
    answers: list[Manifest | HTTPException]
    calls: list[Call]
    complaints: list[str]


def ask_until_answered(
    store: ObjectStore, faults: Mapping[Call, Mode], *, patience_seconds: float | None
) -> Outcome:
    """Without patience nothing is repeated inside the model. Calls that hang come back last."""
    reader = Reader(store, KEY)
    events: queue.Queue[str] = queue.Queue()
    faulty = FaultyStore(store, faults, observe=reader.look, hung=lambda: events.put("hung"))
    outbox = tiny_outbox(_patient(faulty, patience_seconds))
    tries: list[Future[Manifest]] = []
    with ThreadPoolExecutor(len(faults) + 1) as callers:
        try:
            while not _answered(tries):
                assert len(tries) <= len(faults), "each fault may cost one try"
                tries.append(callers.submit(answer, outbox, MODEL_INPUT, "R"))
                tries[-1].add_done_callback(lambda _: events.put("answered"))
                events.get(timeout=ANSWER_SECONDS)
        finally:
            faulty.release()
    count = len(tries)
    return Outcome(
        tries=count,
        answers=[_outcome(future) for future in tries],
        calls=faulty.calls,
        complaints=reader.complaints,
    )


def check(outcome: Outcome, store: ObjectStore, keys: list[str]) -> set[str]:
    """Exactly one result, whole and right. Returns the attempts that left artifacts behind."""
    assert outcome.complaints == []
    reader = Reader(store, KEY)
    manifest = reader.look()
    assert manifest is not None
    assert reader.complaints == []
    assert manifest.result == {"words": 2}
    for given in outcome.answers:
        if isinstance(given, Manifest):
            assert given == manifest
        else:
            assert given.status_code in REPEATED
    assert [k for k in keys if k.startswith("manifests/")] == [f"manifests/{KEY}.json"]
    artifacts = [key for key in keys if key.startswith("artifacts/")]
    own = [key for key in artifacts if key.split("/")[3] == manifest.attempt]
    assert own == sorted(f"artifacts/{KEY}/{manifest.attempt}/{a.name}" for a in manifest.artifacts)
    return {key.split("/")[3] for key in artifacts} - {manifest.attempt}


def _patient(store: ObjectStore, seconds: float | None) -> ObjectStore:
    return store if seconds is None else RetryingStore(store, timeout_seconds=seconds)


def _answered(tries: list[Future[Manifest]]) -> bool:
    return any(future.done() and future.exception() is None for future in tries)


def _outcome(future: "Future[Manifest]") -> Manifest | HTTPException:
    error = future.exception()
    if error is None:
        return future.result()
    assert isinstance(error, HTTPException), error
    return error
