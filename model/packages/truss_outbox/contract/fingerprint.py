"""Whether two requests ask for the same result."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .errors import InvalidInputError


def canonical_json(model_input: Mapping[str, Any]) -> bytes:
    """The one spelling of an input: keys sorted by code point, no white space, everything outside
    ASCII as `\\uXXXX`.

    Raises InvalidInputError for numbers JSON does not have (NaN, Infinity).
    """
    try:
        text = json.dumps(model_input, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise InvalidInputError("model_input", "holds NaN or Infinity; JSON has neither") from None
    return text.encode()


def input_digest(model_input: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the input's canonical JSON: the name of the object that such an input is
    kept in where it is too large for a request.

    The caller has taken the metadata out: they say where a result lies, not what it is, so other
    labels make no other input. Raises InvalidInputError like `canonical_json`.
    """
    return hashlib.sha256(canonical_json(model_input)).hexdigest()


def fingerprint(digest: str, *, model_version: str) -> str:
    """SHA-256 (hex) of the input's digest, a newline and the model's version."""
    return hashlib.sha256(f"{digest}\n{model_version}".encode()).hexdigest()
