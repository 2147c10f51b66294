"""The stand-in's HTTP server: which path leads where, for whom, called by which name."""

import contextlib
import hmac
import socket
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from baseten_webhooks.receiver.header_deadline import HEADER_SECONDS, set_header_deadline

from ..page.page import StatusPage
from . import answers
from .answers import ApiError, error_answer
from .async_api import AsyncEndpoints
from .openapi import describe_api


def names_of(base_url: str) -> frozenset[str]:
    """What a caller's Host header may say: the address itself, and this machine's names."""
    address = urlsplit(base_url)
    port = f":{address.port}" if address.port else ""
    names = frozenset(f"{host}{port}" for host in ("127.0.0.1", "localhost", "[::1]"))
    return names | {address.netloc}


@dataclass(frozen=True, slots=True)
class HostCheck:
    """ASGI middleware: 400 for every Host header but those of `hosts`."""

    app: ASGIApp
    hosts: Collection[str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        named = Headers(scope=scope).getlist("host")
        if len(named) == 1 and named[0].lower() in self.hosts:
            await self.app(scope, receive, send)
        else:
            refusal = error_answer(400, "client_error", "The Host header names another host.")
            await refusal(scope, receive, send)


def authorize(request: Request, api_key: str) -> None:
    """Raises ApiError 401 for every key but this one."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() not in {"api-key", "bearer"} or not key:
        raise ApiError(
            401, "unauthorized", "Send the header `Authorization: Api-Key KEY` (or `Bearer KEY`)."
        )
    if not hmac.compare_digest(key.encode(), api_key.encode()):
        raise ApiError(401, "unauthorized", "The API key is not the one this service was given.")


# A path may name a deployment in any of these ways, or none.
FORMS = ("", "/production", "/development", "/environments/{name}", "/deployment/{name}")

Endpoint = Callable[[Request], Awaitable[Response]]
_Guarded = tuple[str, Endpoint, str]
"""Path, endpoint and method of a route that wants a key."""


def create_application(
    api: AsyncEndpoints,
    sync: Endpoint,
    page: StatusPage,
    *,
    api_key: str,
    hosts: Collection[str],
    chainlets: Mapping[str, Endpoint],
) -> Starlette:
    """The API as an ASGI application, for callers who name one of `hosts` and send the key.

    `chainlets` are what a Chain's Chainlets call, by name.
    """

    def guarded(path: str, endpoint: Endpoint, method: str) -> Route:
        async def answer(call: Request) -> Response:
            authorize(call, api_key)
            return await endpoint(call)

        return Route(path, answer, methods=[method])

    return Starlette(
        routes=[
            *(guarded(*one) for form in FORMS for one in _deployment_routes(form, api, sync)),
            *(
                guarded(f"/chainlets/{name}/run_remote", chainlets[name], "POST")
                for name in chainlets
            ),
            *(guarded(*one) for one in _other_routes(api, page)),
            Route("/openapi.json", _openapi),
            # These hold no data, and are loaded before the page has a key to send.
            *(Route(path, page.file) for path in ("/", "/page.js", "/page.css")),
        ],
        # A page of another site could otherwise reach this service under a name of its own
        # that leads to this machine, and so read its answers.
        middleware=[Middleware(HostCheck, hosts=hosts)],
        exception_handlers=answers.HANDLERS,
    )


def _deployment_routes(form: str, api: AsyncEndpoints, sync: Endpoint) -> list[_Guarded]:
    return [
        (f"{form}/async_predict", api.submit, "POST"),
        (f"{form}/async_run_remote", api.submit_to_chain, "POST"),
        (f"{form}/async_queue_status", api.queue_status, "GET"),
        (f"{form}/predict", sync, "POST"),
        (f"{form}/run_remote", sync, "POST"),
        (f"{form}/wake", api.wake, "POST"),
    ]


def _other_routes(api: AsyncEndpoints, page: StatusPage) -> list[_Guarded]:
    return [
        ("/async_request/{request_id}", api.status, "GET"),
        ("/async_request/{request_id}", api.cancel, "DELETE"),
        ("/metrics", page.metrics, "GET"),
        ("/page/state", page.state, "GET"),
        ("/page/requests/{request_id}", page.request, "GET"),
        ("/page/requests/{request_id}/artifacts/{number}", page.artifact, "GET"),
    ]


async def _openapi(_: Request) -> Response:
    return JSONResponse(describe_api(FORMS))


class HttpServer(uvicorn.Server):
    """`finish_seconds` bound what calls may take that are open at `finish()`."""

    def __init__(
        self,
        application: ASGIApp,
        *,
        finish_seconds: float,
        header_seconds: float = HEADER_SECONDS,
    ) -> None:
        settings = uvicorn.Config(
            application,
            lifespan="off",
            http="httptools",  # quicker than h11, which Truss takes for its own server
            proxy_headers=False,
            ws="none",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=max(1, round(finish_seconds)),
        )
        set_header_deadline(settings, header_seconds)
        super().__init__(settings)

    async def run_on(self, listener: socket.socket) -> None:
        listener.listen(self.config.backlog)
        # After a kill, Linux keeps the port of open connections for a minute; with this the next
        # start has it at once. Not before we listen: it may give a free port away again.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        await self.serve([listener])

    def finish(self) -> None:
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Left alone: they end all parts, not this one first."""
        yield
