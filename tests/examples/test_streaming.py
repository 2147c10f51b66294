"""The streaming example: a stream is kept where it is stored, and streamed where it is not."""

import json

import httpx
import pytest

from tests.documentation.pages import block
from tests.end_to_end.asking import final_status

TEXT = {"text": "to be or not"}


@pytest.fixture(scope="module")
def streaming(serving):
    with serving("streaming") as example:
        yield example


def test_what_is_streamed_is_kept_as_one_file(streaming, job):
    manifest = streaming.store(job, "a", TEXT)
    assert manifest.result == {"artifact": "words.txt"}
    (artifact,) = manifest.artifacts
    assert (artifact.name, artifact.content_type) == ("words.txt", "text/plain")
    assert streaming.file(manifest, "words.txt") == "to\nbe\nor\nnot\n"


def test_without_metadata_it_is_streamed_as_before(streaming):
    running = streaming.local.processes()
    url = f"{running.model_url}/v1/models/model:predict"
    with httpx.stream("POST", url, json=TEXT, headers=running.model_headers) as answer:
        assert answer.headers["transfer-encoding"] == "chunked"
        assert answer.read() == b"to\nbe\nor\nnot\n"


def test_an_async_request_that_is_not_stored_is_refused_as_by_the_service(streaming):
    answer = streaming.api.post("/production/async_predict", json={"model_input": TEXT})
    status = final_status(streaming.api, answer.json()["request_id"])
    assert status["status"] == "FAILED"
    assert [error["code"] for error in status["errors"]] == ["ASYNC_REQUEST_NOT_SUPPORTED"]


def test_both_calls_of_its_page_are_answered(streaming):
    words, pointer = streaming.run(block("sh", "call()")).split("not\n")
    assert words == "to\nbe\nor\n"
    assert json.loads(pointer)["artifacts"][0]["name"] == "words.txt"
