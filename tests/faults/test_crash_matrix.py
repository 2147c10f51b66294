"""Every store call of a request fails in every way; the calls are found, not listed here."""

import hashlib
import itertools
import uuid
from collections.abc import Iterator

import pytest

from tests.faults.faulty_store import Call, Mode
from tests.faults.places import PLACES, all_keys, swept
from tests.faults.scenario import DOCUMENT, INPUT, ask_until_answered, check
from truss_outbox.retrying import without_pauses
from truss_outbox.stores import ObjectStore
from truss_outbox.stores.memory import MemoryStore

MODES = [m for m in Mode if not m.startswith("kill")]
NOT_CARRIED_OUT = {Mode.ERROR_BEFORE, Mode.TORN}
HEALED_INSIDE = {Mode.ERROR_BEFORE, Mode.ERROR_AFTER}


@pytest.fixture(autouse=True)
def _without_waiting():
    with without_pauses(tries=4):
        yield


def with_document(store: ObjectStore) -> ObjectStore:
    store.create(INPUT, DOCUMENT, content_type="text/plain")
    return store


def clean_calls() -> list[Call]:
    """The calls of a request that nothing happens to."""
    return ask_until_answered(with_document(MemoryStore()), {}, patience_seconds=None).calls


# What patience heals it heals alike on every store; one that answers over a network is enough.
QUICK = ("seaweedfs", None)
ONE_FAULT = [
    pytest.param(
        place,
        patience_seconds,
        mode,
        marks=()
        if place == "directory" or (place, patience_seconds) == QUICK
        else pytest.mark.slow,
        id=f"{place}-{'patient' if patience_seconds else 'impatient'}-{mode}",
    )
    for place in PLACES
    for patience_seconds in (None, 5)
    for mode in MODES
]


@pytest.mark.parametrize(("place", "patience_seconds", "mode"), ONE_FAULT)
def test_one_fault_costs_one_try_and_never_a_result(place, mode, patience_seconds, request):
    for call in clean_calls():
        where = PLACES[place](request, uuid.uuid4().hex)
        store = with_document(where.open())
        outcome = ask_until_answered(store, {call: mode}, patience_seconds=patience_seconds)
        assert call in outcome.calls
        orphaned = check(outcome, store, all_keys(where))
        # After a commit of which nothing is known its artifacts stay: it may yet be carried out.
        is_in_doubt = call.method == "create" and mode in NOT_CARRIED_OUT
        assert len(orphaned) == (is_in_doubt and patience_seconds is None)
        assert swept(where) == orphaned
        assert check(outcome, store, all_keys(where)) == set()
        if patience_seconds and mode in HEALED_INSIDE:
            assert outcome.tries == 1


MODES_TWICE = [
    pytest.param(modes, id="+".join(modes), marks=() if modes[0] == modes[1] else pytest.mark.slow)
    for modes in itertools.product(MODES, MODES)
]


# A patient store heals most of the first faults by itself: the impatient one sees more pairs.
@pytest.mark.parametrize(
    "patience_seconds",
    [pytest.param(None, id="impatient"), pytest.param(5, id="patient", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("modes", MODES_TWICE)
def test_two_faults_also_in_what_the_first_one_leads_to(modes, patience_seconds):
    for faults in pairs(*modes, patience_seconds=patience_seconds):
        store = with_document(MemoryStore())
        outcome = ask_until_answered(store, faults, patience_seconds=patience_seconds)
        assert len(check(outcome, store, store.all_keys())) <= 2


def pairs(first: Mode, second: Mode, *, patience_seconds) -> Iterator[dict[Call, Mode]]:
    """A fault at every call, and another at every call that is made after it."""
    for call in clean_calls():
        store = with_document(MemoryStore())
        calls = ask_until_answered(store, {call: first}, patience_seconds=patience_seconds).calls
        for later in calls[calls.index(call) + 1 :]:
            yield {call: first, later: second}


def test_the_matrix_covers_the_whole_request():
    assert [(call.method, call.key.split("/")[0]) for call in clean_calls()] == [
        ("get", "manifests"),
        ("get_file", "inputs"),
        ("put_file", "artifacts"),
        ("put_file", "artifacts"),
        ("create", "manifests"),
    ]
    assert hashlib.sha256(DOCUMENT).hexdigest() in INPUT
