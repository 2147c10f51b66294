import pytest

from local_baseten.request_queue.outcome import outcome_of


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_may_be_retried(status):
    assert outcome_of(status, b"").may_be_retried


@pytest.mark.parametrize("status", [400, 404, 409, 413, 422, 429, 499])
def test_the_callers_error_is_not_retried(status):
    outcome = outcome_of(status, b"")

    assert outcome.error is not None
    assert not outcome.may_be_retried


def test_refused_input_has_its_own_code():
    outcome = outcome_of(422, b'{"error": "pages: out of range"}')

    assert outcome.error.code == "MODEL_INVALID_INPUT"
    assert outcome.error.message == "The model answered 422: pages: out of range"


def test_a_model_that_streams_is_not_for_async_requests():
    outcome = outcome_of(200, b"a piece", is_stream=True)

    assert outcome.error.code == "ASYNC_REQUEST_NOT_SUPPORTED"
    assert (outcome.may_be_retried, outcome.data) == (False, None)
    assert outcome_of(500, b"", is_stream=True).error.code == "MODEL_PREDICT_ERROR"


def test_an_answer_that_is_no_json_still_has_a_message():
    assert outcome_of(500, b"<html>").error.message == "The model answered 500: no details"


def test_a_long_message_is_cut():
    assert len(outcome_of(500, b'{"error": "%s"}' % (b"x" * 5_000)).error.message) < 1_100
