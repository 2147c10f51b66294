"""Files that a request brings, in any field of its input."""

import base64
import hashlib
import json
from pathlib import Path

import pytest


def encoded(text: str) -> dict[str, str]:
    return {"base64": base64.b64encode(text.encode()).decode()}


def test_a_typed_models_files_are_on_disk_whether_or_not_it_stores(shapes):
    server = shapes["files"]
    stored = server.directory / "inputs" / "x"
    stored.parent.mkdir(exist_ok=True)
    stored.write_text("two")
    body = {"audio": encoded("one"), "pages": [{"input": "inputs/x"}, encoded("three")]}
    assert server.ask(body).json() == ["one", "two", "three"]
    server.ask({"metadata": {"job": "J", "item": "I"}, **body})
    assert server.manifest("I").result == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"audio": {}}, "audio"),
        ({"audio": {"base64": "%"}}, "audio.base64"),
        ({"audio": encoded("more than ten bytes")}, "audio.base64"),
        ({"audio": {"input": "inputs/none"}}, "audio.input"),
        ({"audio": {"url": "https://a.example/b"}}, "audio.url"),
        ({"audio": encoded("a"), "pages": [encoded("b"), encoded("")]}, "pages.1.base64"),
        ({"audio": encoded("a") | {"sha256": "0" * 64}}, "audio.base64"),
    ],
)
def test_a_wrong_file_names_its_field(shapes, body, field):
    server = shapes["files"]
    answer = server.ask({"metadata": {"job": "wrong", "item": field}, **body})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(f"INVALID_INPUT: {field}: ")
    if body["audio"]:  # Truss itself refuses what is no File.
        plain = server.ask(body)
        assert (plain.status_code, plain.json()) == (422, answer.json())


def test_a_model_of_plain_dicts_opens_them(shapes):
    server = shapes["opened"]
    for asking in ({}, {"metadata": {"job": "J", "item": "I"}}):
        answer = server.ask({**asking, "audio": encoded("one")}).json()
        result = answer.get("result", answer)
        assert result["audio"] == "one"
        assert not Path(result["path"]).exists()
        wrong = server.ask({**asking, "audio": {"base64": "%"}, "other": 1})
        assert wrong.status_code == 409 if asking else 422


def test_a_wrong_file_that_is_opened_names_its_field(shapes):
    for asking in ({}, {"metadata": {"job": "J", "item": "wrong"}}):
        wrong = shapes["opened"].ask({**asking, "audio": {"base64": "%"}})
        assert (wrong.status_code, wrong.json()["error"][:29]) == (
            422,
            "INVALID_INPUT: audio.base64: ",
        )


def test_a_whole_input_may_lie_in_the_bucket_and_the_model_does_not_notice(shapes):
    server = shapes["stored sync"]
    content = json.dumps({"text": "far"}, sort_keys=True, separators=(",", ":")).encode()
    key = f"inputs/{hashlib.sha256(content).hexdigest()}"
    (server.directory / "inputs").mkdir(exist_ok=True)
    (server.directory / key).write_bytes(content)
    named = server.ask({"metadata": {"job": "J", "item": "far", "model_input": key}})
    assert named.json()["result"] == {"said": "FAR"}
    # The same input in the request itself is the same request.
    whole = server.ask({"metadata": {"job": "J", "item": "far"}, "text": "far"})
    assert whole.json() == named.json()


def test_an_input_in_the_bucket_is_checked(shapes):
    server = shapes["stored sync"]
    (server.directory / "inputs").mkdir(exist_ok=True)
    for content, problem in [(b"[1]", "is no JSON object"), (b"{", "is not JSON")]:
        key = f"inputs/{hashlib.sha256(content).hexdigest()}"
        (server.directory / key).write_bytes(content)
        answer = server.ask({"metadata": {"item": problem, "model_input": key}})
        assert (answer.status_code, problem in answer.json()["error"]) == (422, True)
    twice = server.ask({"metadata": {"item": "twice", "model_input": key}, "text": "a"})
    assert twice.json()["error"].endswith("stands for the whole input: leave out 'text'")
    missing = server.ask({"metadata": {"item": "none", "model_input": f"inputs/{'0' * 64}"}})
    assert "there is no such object" in missing.json()["error"]
