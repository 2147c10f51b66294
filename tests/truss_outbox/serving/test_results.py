"""What a reader would refuse is its author's error, before anything of it is in the bucket."""

import json

import pytest
from fastapi import HTTPException

from tests.asking_outbox import answer, metadata
from truss_outbox.contract.errors import ConfigurationError
from truss_outbox.contract.manifest import Failure, Manifest, Outputs
from truss_outbox.serving.results import MAX_INLINE_BYTES
from truss_outbox.serving.settings import read_settings
from truss_outbox.stores.commit import find_manifest
from truss_outbox.stores.directory import DirectoryStore

LARGE = "x" * MAX_INLINE_BYTES
CLASHES = [
    (None, ["x.txt", "X.txt"]),
    (None, ["MANIFEST.JSON"]),
    (None, ["a", "a/b"]),
    (None, ["A/b", "a"]),
    (None, ["e\u0301.txt"]),
    (None, ["\u00e9.txt"]),
    (None, ["a."]),
    (None, ["a "]),
    (None, ["nul.txt"]),
    (LARGE, ["RESULT.JSON"]),
    (LARGE, ["result.json/a"]),
    (LARGE, ["Result.json"]),
]


@pytest.fixture(params=["memory", "file"])
def bucket(request, store, tmp_path):
    return store if request.param == "memory" else DirectoryStore(tmp_path / "bucket")


def keys(bucket, tmp_path):
    if isinstance(bucket, DirectoryStore):
        found = [path for path in (tmp_path / "bucket").rglob("*") if path.is_file()]
        return [path.relative_to(tmp_path / "bucket").as_posix() for path in found]
    return list(bucket.all_keys())


@pytest.mark.parametrize(("result", "names"), CLASHES)
def test_names_that_a_reader_refuses_are_never_stored(make_outbox, bucket, tmp_path, result, names):
    def run(_, __):
        return Outputs(result=result, files=dict.fromkeys(names, b"x"))

    with pytest.raises(HTTPException) as caught:
        answer(make_outbox(bucket), metadata(text="a"), run=run)
    assert caught.value.status_code == 422
    assert caught.value.detail.startswith("INVALID_OUTPUTS: ")
    (key,) = keys(bucket, tmp_path)
    assert Failure.from_bytes(bucket.get(key)).code == "INVALID_OUTPUTS"


@pytest.mark.parametrize("name", ["MANIFEST.JSON", "a.", "nul.txt", "../x", "a b"])
def test_a_streams_name_is_judged_by_the_same_rule_when_the_model_loads(name):
    section = {"root": "s3://bucket/x", "stream_artifact": name}
    with pytest.raises(ConfigurationError, match=r"stream_artifact: .* cannot be an artif"):
        read_settings({"model_metadata": {"outbox": section}}, {})


@pytest.mark.parametrize("depth", [100, *range(245, 260), 400])
def test_a_result_nested_however_deep_is_stored_so_that_a_reader_takes_it(outbox, store, depth):
    result = []
    for _ in range(depth):
        result = [result]
    stored = answer(outbox, metadata(text="a"), run=lambda _, __: Outputs(result=result))
    found = find_manifest(store, "job=J/I")
    assert found == stored == Manifest.from_bytes(stored.to_bytes())
    if found.result == {"artifact": "result.json"}:
        key = f"artifacts/job=J/I/{found.attempt}/result.json"
        assert json.loads(store.get(key)) == result
    else:
        assert found.result == result
