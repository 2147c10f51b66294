"""The model's process ends at every store call of a request, before it and after it."""

import uuid

import pytest

from tests.faults.dying import exit_code
from tests.faults.faulty_store import KILLED, Mode
from tests.faults.places import PLACES, all_keys, swept
from tests.faults.reader import Reader
from tests.faults.scenario import KEY, ask_until_answered, check
from tests.faults.test_crash_matrix import clean_calls, with_document


@pytest.mark.parametrize("mode", [Mode.KILL_BEFORE, Mode.KILL_AFTER])
@pytest.mark.parametrize(
    "place", ["directory", "seaweedfs", pytest.param("fake-gcs-server", marks=pytest.mark.slow)]
)
def test_a_killed_process_costs_one_try_and_never_a_result(place, mode, request, tmp_path):
    left_behind = []
    for call in clean_calls():
        where = PLACES[place](request, uuid.uuid4().hex)
        store = with_document(where.open())
        assert exit_code(where, call, mode, temporary=tmp_path) == KILLED
        reader = Reader(store, KEY)
        reader.look()
        outcome = ask_until_answered(store, {}, patience_seconds=None)
        assert outcome.tries == 1
        reader.look()
        assert reader.complaints == []
        orphaned = check(outcome, store, all_keys(where))
        assert len(orphaned) <= 1
        left_behind.append(orphaned)
        assert swept(where) == orphaned
        assert check(outcome, store, all_keys(where)) == set()
    assert any(left_behind)
