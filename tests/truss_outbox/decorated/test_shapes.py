"""A decorated model of any shape, beside the same without the decorator, on Truss's own server."""

import json

import pytest

from tests.truss_outbox.decorated.shapes import SHAPES

OF_THE_MOMENT = {"date", "content-length"}


def answered(server, body, shape, **headers):
    answer = server.ask(body, path=shape.path, **headers)
    kept = {name: value for name, value in answer.headers.items() if name not in OF_THE_MOMENT}
    return answer.status_code, answer.content, kept


@pytest.mark.parametrize("name", SHAPES)
def test_a_request_without_metadata_is_answered_as_ever(shapes, name):
    plain, decorated, shape = shapes[name], shapes[f"stored {name}"], SHAPES[name]
    for body in shape.sends:
        assert answered(decorated, body, shape) == answered(plain, body, shape), body
    gathered = {"accept": "application/json"}
    assert answered(decorated, shape.sends[0], shape, **gathered) == answered(
        plain, shape.sends[0], shape, **gathered
    )
    for path in ("/v1/models/model", "/v1/models/model/loaded", "/v1/models/model/schema", "/"):
        ours, theirs = decorated.get(path), plain.get(path)
        assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content), path


@pytest.mark.parametrize("name", SHAPES)
def test_a_request_with_metadata_is_stored_and_answered_by_the_pointer(shapes, name):
    server, shape = shapes[f"stored {name}"], SHAPES[name]
    body = {"metadata": {"job": "J", "item": "I"}, **shape.body}
    answer = server.ask(body)
    if shape.is_refused:
        assert answer.status_code == 422
        assert shape.stores in answer.json()["error"]
        (failure,) = server.failures("I")
        assert (failure.code, failure.retryable) == ("INVALID_OUTPUTS", False)
        return
    assert answer.status_code == 200, answer.text
    manifest = server.manifest("I")
    assert manifest.result == shape.stores
    pointer = answer.json()
    assert pointer["result"] == shape.stores
    assert (pointer["key"], pointer["request_id"]) == ("job=J/I", "r1")
    assert pointer["artifacts"] == json.loads(manifest.model_dump_json())["artifacts"]
    # The same again: no second inference, the same pointer.
    assert server.ask(body).json() == pointer
    assert server.manifest("I") == manifest


@pytest.mark.parametrize(
    ("name", "content", "content_type"),
    [
        ("generator of text", b"a\nb\n", "text/plain"),
        ("generator of bytes", b"\xffa b", "application/octet-stream"),
        ("async generator", b"onetwo", "text/plain"),
        ("a function that returns a generator", b"a b", "text/plain"),
    ],
)
def test_a_stream_is_one_artifact(shapes, name, content, content_type):
    server = shapes[f"stored {name}"]
    server.ask({"metadata": {"job": "J", "item": "stream"}, "text": "a b"})
    manifest = server.manifest("stream")
    (artifact,) = manifest.artifacts
    assert (artifact.content_type, artifact.size) == (content_type, len(content))
    assert server.artifact(manifest, artifact.name) == content


@pytest.mark.parametrize("name", ["typed", "typed and strict, with preprocess"])
def test_a_wrong_input_of_a_typed_model_names_its_field(shapes, name):
    server = shapes[f"stored {name}"]
    answer = server.ask({"metadata": {"job": "J", "item": "wrong"}, "text": "a", "times": "x"})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("INVALID_INPUT: times: ")
    (failure,) = server.failures("wrong")
    assert (failure.code, failure.retryable) == ("INVALID_INPUT", False)


def test_an_error_of_the_authors_own_is_answered_as_it_was_meant(shapes):
    server = shapes["stored errors of its own"]
    answer = server.ask({"metadata": {"job": "J", "item": "broken"}, "text": "abc"})
    assert answer.status_code == 500
    (failure,) = server.failures("broken")
    assert (failure.code, failure.retryable) == ("INFERENCE_ERROR", True)
    assert "ZeroDivisionError" in answer.json()["error"]
