"""Where a request's result is, for a model that stores it with Outbox: from input and answer.

Another model may take and answer anything; then nothing is known, and that is no error.
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


def name_of(model_input: Mapping[str, Any]) -> str | None:
    """`job/item` of the request's metadata, as far as they are there."""
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
    if not isinstance(key, str) or not isinstance(manifest, str):
        return None
    is_key = len(key) <= MAX_KEY_BYTES and _KEY.match(key) is not None
    path = manifest_key(key)
    # The address of a file is a URL: in it, the key's escapes are escaped.
    is_its = manifest.endswith((f"/{path}", f"/{path.replace('%', '%25')}"))
    return key if is_key and is_its else None
