"""What a request and its answer say of where the result is, if the model stores it with Outbox.

Whatever another model takes and answers is no error: then nothing is known.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from truss_outbox.contract.keys import MAX_KEY_BYTES, manifest_key

_NAME_CHARACTERS = 200
# As the key template and the escaping make them: no segment is empty or begins with a dot.
_SEGMENT = r"[A-Za-z0-9_%=,+@-][A-Za-z0-9._%=,+@-]*"
_KEY = re.compile(rf"{_SEGMENT}(/{_SEGMENT})*\Z")


def is_key(key: str) -> bool:
    return len(key) <= MAX_KEY_BYTES and _KEY.match(key) is not None


def name_of(model_input: Mapping[str, Any]) -> str | None:
    """What the request calls itself: `job/item` of its metadata, as far as they are there."""
    metadata = model_input.get("metadata")
    if not isinstance(metadata, dict):
        return None
    parts = [metadata.get(field) for field in ("job", "item")]
    name = "/".join(part for part in parts if isinstance(part, str) and part)
    # Half a surrogate pair is valid JSON, and no text that can be stored.
    return name[:_NAME_CHARACTERS].encode(errors="replace").decode() or None


def key_of(answer: str) -> str | None:
    """The key of the result, where the answer is Outbox's pointer to one."""
    if '"manifest"' not in answer:
        return None
    try:
        pointer = json.loads(answer)
        key, manifest = pointer["key"], pointer["manifest"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not isinstance(key, str) or not isinstance(manifest, str) or not is_key(key):
        return None
    return key if manifest.endswith(f"/{manifest_key(key)}") else None
