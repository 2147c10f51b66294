"""Calls of the model's server, over connections that are kept."""

import secrets
from dataclasses import dataclass, field
from typing import Protocol, Self

import aiohttp

from .launcher import SECRET_HEADER

# Shorter than the five seconds after which the server closes an idle connection: a request sent
# on one that is just being closed would cost an attempt.
_KEPT_SECONDS = 2.0
_CONNECT_SECONDS = 5.0


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
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEPT_SECONDS),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={SECRET_HEADER: self.secret},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def predict(self, call: ModelCall) -> Answer:
        url = f"{call.url}/v1/models/model:predict"
        headers = {"content-type": call.content_type, "x-baseten-request-id": call.request_id}
        if self.is_chain:
            headers["x-baseten-chain-request-id"] = call.request_id
        try:
            async with self._session.post(
                url, data=call.body, headers=headers, allow_redirects=False
            ) as answer:
                return Answer(
                    status=answer.status,
                    body=await answer.read(),
                    content_type=answer.headers.get("content-type"),
                    is_stream="transfer-encoding" in answer.headers,
                )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise ModelRefusedError(str(error)) from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise ModelLostError(str(error)) from error

    async def is_ready(self, url: str) -> bool | None:
        """The model's own answer; None where it gives none, as one that is busy."""
        try:
            timeout = aiohttp.ClientTimeout(total=_CONNECT_SECONDS)
            async with self._session.get(f"{url}/v1/models/model", timeout=timeout) as answer:
                return answer.ok
        except (aiohttp.ClientError, ConnectionError, TimeoutError):
            return None
