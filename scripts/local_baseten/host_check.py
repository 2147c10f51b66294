"""Calls must name this machine, so that no web page reaches the service by rebinding a name."""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from scripts.local_baseten.answers import error_answer


def names_of(base_url: str) -> frozenset[str]:
    """What a caller's Host header may say: the address itself, and this machine's names."""
    address = urlsplit(base_url)
    port = f":{address.port}" if address.port else ""
    names = frozenset(f"{host}{port}" for host in ("127.0.0.1", "localhost", "[::1]"))
    return names | {address.netloc}


class HostCheck:
    """ASGI middleware: 400 for every Host header but those of `hosts`."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = Headers(scope=scope).getlist("host")
        if len(named) == 1 and named[0].lower() in self._hosts:
            await self._app(scope, receive, send)
        else:
            refusal = error_answer(400, "client_error", "The Host header names another host.")
            await refusal(scope, receive, send)
