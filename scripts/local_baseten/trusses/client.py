"""Calls of the model's server, over connections that are kept."""

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Protocol, Self

from .connections import Connections, LostError, RefusedError
from .launcher import SECRET_HEADER

_READY_SECONDS = 5.0


class ModelRefusedError(Exception):
    """The request could not be sent: nothing listens there."""


class ModelLostError(Exception):
    """The connection ended before the answer was complete; the model may have begun."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelCall:
    """`url` is the server's; one `request_id` names all attempts at a request, counted from 1."""

    url: str
    body: str | bytes
    request_id: str
    content_type: str = "application/json"
    attempt: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """`is_stream`: the model sent it piece by piece, as a generator's."""

    status: int
    body: bytes
    content_type: str | None
    is_stream: bool = False


class ModelCaller(Protocol):
    """Calls a model's server. Cancelled, it hangs up; the model can notice that."""

    async def predict(self, call: ModelCall) -> Answer:
        """Raises ModelRefusedError and ModelLostError; the time is the caller's to bound."""
        ...


@dataclass(kw_only=True)
class ModelClient:
    """Over HTTP, to servers on this machine, without a proxy. Use `async with`.

    A Chainlet is also sent the request's id as that of the Chain's request. The servers answer
    who knows the `secret`.
    """

    is_chain: bool = False
    secret: str = field(repr=False, default_factory=lambda: secrets.token_urlsafe(32))

    async def __aenter__(self) -> Self:
        self._connections = Connections()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._connections.close()

    async def predict(self, call: ModelCall) -> Answer:
        headers = {
            SECRET_HEADER: self.secret,
            "content-type": call.content_type,
            "x-baseten-request-id": call.request_id,
        }
        if self.is_chain:
            headers["x-baseten-chain-request-id"] = call.request_id
        body = call.body if isinstance(call.body, bytes) else call.body.encode()
        try:
            answer = await self._connections.request(
                "POST", f"{call.url}/v1/models/model:predict", headers=headers, body=body
            )
        except RefusedError as error:
            raise ModelRefusedError(str(error)) from error
        except LostError as error:
            raise ModelLostError(str(error)) from error
        return Answer(
            status=answer.status,
            body=answer.body,
            content_type=answer.headers.get("content-type"),
            is_stream="transfer-encoding" in answer.headers,
        )

    async def is_ready(self, url: str) -> bool | None:
        """The model's own answer; None where it gives none, as one that is busy."""
        path = f"{url}/v1/models/model"
        try:
            async with asyncio.timeout(_READY_SECONDS):
                answer = await self._connections.request(
                    "GET", path, headers={SECRET_HEADER: self.secret}
                )
        except (RefusedError, LostError, TimeoutError):
            return None
        return answer.status < 400
