"""Which requests are equal."""

import hashlib
import json

import pytest

from truss_outbox.contract.errors import InvalidInputError
from truss_outbox.contract.fingerprint import canonical_json, fingerprint, input_digest


def test_the_order_of_fields_does_not_count():
    first = {"document": {"input": "a", "sha256": "b"}, "dpi": 150}
    second = {"dpi": 150, "document": {"sha256": "b", "input": "a"}}
    assert input_digest(first) == input_digest(second)


def test_every_other_value_counts():
    assert input_digest({"dpi": 150}) != input_digest({"dpi": 151})
    assert input_digest({"a": "é"}) != input_digest({"a": "e"})


def test_another_model_version_gives_another_fingerprint():
    digest = input_digest({"a": 1})
    assert fingerprint(digest, model_version="1") != fingerprint(digest, model_version="2")


def test_the_digest_is_that_of_canonical_json_so_that_any_language_can_make_it():
    canonical = b'{"a":[1,"\\u00e9"],"b":null}'
    model_input = {"b": None, "a": [1, "é"]}
    assert canonical_json(model_input) == canonical
    assert input_digest(model_input) == hashlib.sha256(canonical).hexdigest()


def test_the_digest_of_an_input_is_the_same_when_it_comes_back_from_its_canonical_json():
    model_input = {
        "text": "é\U0001f600",
        "numbers": [1, 1.0, 1e300, -0.5],
        "deep": {"b": {}, "a": []},
    }
    assert input_digest(json.loads(canonical_json(model_input))) == input_digest(model_input)


def test_numbers_json_does_not_have_are_refused():
    with pytest.raises(InvalidInputError, match="model_input"):
        input_digest({"a": float("nan")})
