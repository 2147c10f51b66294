"""Reading the metadata before anything else is read, where Truss or the model parses the body."""

import json
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.types import Message


def enveloped(request_type: type[BaseModel], asks: Callable[[Any], bool]) -> type[BaseModel]:
    """What Truss is to parse an input as, that the model takes as `request_type`.

    An input that `asks` to be stored is left as it is sent; any other is parsed as ever.
    """

    class Envelope(BaseModel):
        @classmethod
        def parse_raw(cls, b: str | bytes, **options: Any) -> Any:
            try:
                sent = json.loads(b)
            except ValueError:  # which Truss's own error is about
                return request_type.parse_raw(b, **options)
            return sent if asks(sent) else request_type.parse_raw(b, **options)

        @classmethod
        def parse_obj(cls, obj: Any) -> Any:
            return obj if asks(obj) else request_type.parse_obj(obj)

        @classmethod
        def schema(cls, **options: Any) -> dict[str, Any]:  # type: ignore[override]
            return request_type.schema(**options)

    return Envelope


async def read_json(request: Request) -> tuple[Any, bool]:
    """The body, parsed, and whether it is JSON at all."""
    try:
        return await request.json(), True
    except ValueError:
        return None, False


def with_body(request: Request, body: bytes) -> Request:
    """The same request with another body, for a model that reads it itself."""
    unread = True

    async def receive() -> Message:
        nonlocal unread
        if unread:
            unread = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await request.receive()

    return Request(request.scope, receive)
