"""Whether two requests ask for the same result."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .errors import InvalidInputError


def input_digest(model_input: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of the input without its metadata, as canonical JSON.

    Canonical: keys sorted by code point, no white space, everything outside ASCII as `\\uXXXX`.
    Raises InvalidInputError for numbers JSON does not have (NaN, Infinity).
    """
    # The metadata say where a result lies, not what it is: other labels are no other input.
    content = {name: value for name, value in model_input.items() if name != "metadata"}
    try:
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except ValueError:
        raise InvalidInputError("model_input", "holds NaN or Infinity; JSON has neither") from None
    return hashlib.sha256(canonical.encode()).hexdigest()


def fingerprint(digest: str, *, model_version: str) -> str:
    """SHA-256 (hex) of the input's digest, a newline and the model's version."""
    return hashlib.sha256(f"{digest}\n{model_version}".encode()).hexdigest()
