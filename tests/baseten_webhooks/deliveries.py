"""What the service sends, made here: bodies, headers, and every way to get them wrong."""

import json
from typing import Any

from baseten_webhooks import sign

OLD, NEW = "whsec_the-old-secret", "whsec_the-new-secret"
NOW = 1_714_438_868.883423


def body_of(**changes: Any) -> bytes:
    fields = {
        "request_id": "9876543210abcdef1234567890fedcba",
        "model_id": "abc123",
        "deployment_id": "def456",
        "type": "async_request_completed",
        "time": "2024-04-30T01:01:08.883423Z",
        "data": {"output": "a very private output"},
        "errors": [],
    }
    return json.dumps(fields | changes).encode()


def headers_of(body: bytes, *secrets: str) -> dict[str, str]:
    return {"x-baseten-request-id": "unsigned", "X-BASETEN-SIGNATURE": sign(body, secrets)}
