"""The request of `outbox doctor --send`, in a model that has not been asked to know it."""

import pytest
from fastapi import HTTPException

import truss_outbox
from tests.asking_outbox import answer, answer_decorated
from truss_outbox.contract.keys import CANARY_FAILURE
from truss_outbox.contract.manifest import Failure

FORMS = pytest.mark.parametrize("ask", [answer, answer_decorated])


def canary(**values):
    return {"metadata": {"job": "outbox-doctor", "item": "n/1", "canary": values}}


@FORMS
def test_a_canary_is_answered_without_inference_whatever_the_template(make_outbox, ask):
    outbox = make_outbox(template="{labels.customer}/{item}")
    manifest = ask(outbox, canary(), "r1")
    assert manifest.key == "outbox-doctor/n%2F1"
    assert [artifact.name for artifact in manifest.artifacts] == ["canary.txt"]
    told = {"request_id", "environment", "python", "truss", "truss_outbox"}
    assert set(manifest.result) == told
    # A Truss has the library as a folder, of which no package tells the version.
    assert manifest.result["truss_outbox"] == truss_outbox.__version__


@FORMS
def test_a_canary_fails_once_where_it_asks_for_it(outbox, store, ask):
    with pytest.raises(HTTPException) as caught:
        ask(outbox, canary(fail_attempts=1), "r1")
    assert caught.value.status_code == 500
    failure = Failure.from_bytes(store.get(f"failures/outbox-doctor/n%2F1/{CANARY_FAILURE}.json"))
    assert (failure.code, failure.retryable, failure.request_id) == ("CANARY", True, "r1")
    assert ask(outbox, canary(fail_attempts=1), "r2").request_id == "r2"


def test_a_canary_that_asks_for_more_is_refused(outbox):
    with pytest.raises(HTTPException, match=r"metadata\.canary\.fail_attempts"):
        answer(outbox, canary(fail_attempts=2))
