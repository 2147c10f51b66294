"""What a decorated model may return, and what its author reads where it cannot be stored."""

import json
import re

import pytest

from tests.truss_outbox.decorated.others import MISTAKES


@pytest.mark.parametrize("number", range(len(MISTAKES)), ids=list(MISTAKES))
def test_an_authors_mistake_is_one_sentence_with_place_and_remedy_and_not_repeated(shapes, number):
    server = shapes[f"mistake {number}"]
    answer = server.ask({"metadata": {"job": "J", "item": "I"}})
    said = answer.json()["error"]
    assert answer.status_code == 422  # which Baseten does not repeat
    assert list(MISTAKES.values())[number] in said
    assert re.search(r"predict \(model/model\.py, line \d+\)", said) or "artifact" in said
    assert said in server.log.read_text()
    (failure,) = server.failures("I")
    assert (failure.code, failure.retryable) == ("INVALID_OUTPUTS", False)
    assert said == f"INVALID_OUTPUTS: {failure.message}"


def test_an_exception_is_told_to_the_author_alone(shapes):
    server = shapes["raises"]
    answer = server.ask({"metadata": {"job": "J", "item": "I"}, "text": "xylophone"})
    assert answer.status_code == 500
    (failure,) = server.failures("I")
    assert "xylophone" not in f"{answer.text}{failure}"
    assert failure.message == "the inference raised ValueError; the model's log says where"
    log = server.log.read_text()
    line = next(one for one in log.splitlines() if "the secret is xylophone" in one)
    assert re.search(r"_helper in model/model\.py, line \d+", line)
    assert f"traceback_digest {failure.traceback_digest}" in line


def test_files_are_bytes_or_paths_and_keep_their_names(shapes):
    server = shapes["outputs"]
    server.ask({"metadata": {"job": "J", "item": "I"}})
    manifest = server.manifest("I")
    assert {a.name: (a.size, a.content_type) for a in manifest.artifacts} == {
        "a/b.srt": (1, "application/x-subrip"),
        "c.bin": (2, "application/octet-stream"),
    }


def test_a_large_result_becomes_an_artifact(shapes):
    server = shapes["outputs"]
    answer = server.ask({"metadata": {"job": "J", "item": "large"}, "size": 70_000})
    manifest = server.manifest("large")
    assert manifest.result == answer.json()["result"] == {"artifact": "result.json"}
    assert json.loads(server.artifact(manifest, "result.json")) == {"text": "x" * 70_000}


def test_of_very_many_files_the_caller_is_told_where_they_are_listed(shapes):
    server = shapes["outputs"]
    answer = server.ask({"metadata": {"job": "J", "item": "many"}, "many": 1_001}).json()
    manifest = server.manifest("many")
    assert (manifest.artifacts, answer["artifacts"]) == ([], [])
    assert answer["artifact_listing"] == manifest.artifact_listing.model_dump()
    assert manifest.artifact_count == 1_003
    lines = server.artifact(manifest, "artifacts~.jsonl").splitlines()
    assert [json.loads(line)["name"] for line in lines[:3]] == ["a/b.srt", "c.bin", "many/0"]


def test_a_caller_who_does_not_ask_for_files_gets_the_result(shapes):
    assert shapes["outputs"].ask({"size": 3}).json() == {"text": "xxx"}


def test_a_stream_is_named_by_the_setting(shapes):
    server = shapes["named stream"]
    server.ask({"metadata": {"job": "J", "item": "I"}})
    (artifact,) = server.manifest("I").artifacts
    assert (artifact.name, artifact.content_type) == ("speech.wav", "audio/x-wav")


def test_a_model_with_a_field_of_that_name_keeps_it(shapes):
    server = shapes["own field"]
    assert server.ask({"metadata": {"own": 1}}).json() == {"metadata": {"own": 1}}
    server.ask({"outbox": {"job": "J", "item": "I"}, "metadata": {"own": 1}})
    assert server.manifest("I").result == {"metadata": {"own": 1}}


def test_every_request_is_stored_where_the_setting_says_so(shapes):
    server = shapes["always"]
    answer = server.ask({"text": "a"}, **{"x-baseten-request-id": "r9:2"})
    assert answer.json()["key"] == "job=adhoc/r9"
    assert server.manifest("r9", job="adhoc").result == {"text": "a"}
