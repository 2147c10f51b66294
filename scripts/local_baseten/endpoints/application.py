"""The stand-in's HTTP server: which path leads where, for whom, called by which name."""

import contextlib
import hmac
import socket
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from baseten_webhooks.receiver.header_deadline import HEADER_SECONDS, set_header_deadline

from ..page.page import StatusPage
from . import answers
from .addresses import AddressCheck, check_form
from .answers import ApiError
from .async_api import AsyncEndpoints
from .openapi import call_paths, describe_api
from .whole_answers import WholeAnswers

_WRONG_KEY = (
    "The API key is not this stand-in's own, which `outbox serve` printed as BASETEN_API_KEY."
)


def authorize(request: Request, api_key: str) -> None:
    """Raises ApiError 401 for every key but this one."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() not in {"api-key", "bearer"} or not key:
        raise ApiError(
            401, "unauthorized", "Send the header `Authorization: Api-Key KEY` (or `Bearer KEY`)."
        )
    if not hmac.compare_digest(key.encode(), api_key.encode()):
        raise ApiError(401, "unauthorized", _WRONG_KEY)


@dataclass(frozen=True, slots=True)
class ShortWay:
    """ASGI middleware: past Starlette to the routes of fixed paths, with its errors' answers.

    Most calls are for one path; the way through Starlette would take a third of their time.
    """

    app: ASGIApp
    routes: Mapping[str, Route]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self.routes.get(scope["path"])
        if route is None or route.methods is None or scope["method"] not in route.methods:
            await self.app(scope, receive, send)
            return
        call = Request({**scope, "path_params": {}}, receive, send)
        try:
            answer = await route.endpoint(call)
        except Exception as error:
            handle: Any = answers.HANDLERS.get(type(error), answers.HANDLERS[Exception])
            await handle(call, error)(scope, receive, send)
            if not isinstance(error, ApiError | ClientDisconnect):
                raise  # for the log
            return
        await answer(scope, receive, send)


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
    is_chain: bool = False,
    chainlets: Mapping[str, Endpoint],
) -> ASGIApp:
    """The API as an ASGI application, for callers who name one of `hosts` and send the key.

    A Chain's paths are others than a model's. `chainlets` are what its Chainlets call, by name.
    """

    def guarded(path: str, endpoint: Endpoint, method: str, form: str | None = None) -> Route:
        async def answer(call: Request) -> Response:
            if form is not None:
                check_form(call, names_deployment=bool(form))
            authorize(call, api_key)
            return await endpoint(call)

        return Route(path, answer, methods=[method])

    calls = [
        guarded(*one, form)
        for form in FORMS
        for one in _deployment_routes(form, api, sync, is_chain=is_chain)
    ]

    async def describe(_: Request) -> Response:
        return JSONResponse(describe_api(FORMS, is_chain=is_chain))

    application = Starlette(
        routes=[
            *calls,
            *(
                guarded(f"/chainlets/{name}/run_remote", chainlets[name], "POST")
                for name in chainlets
            ),
            *(guarded(*one) for one in _other_routes(api, page)),
            Route("/openapi.json", describe),
            # These hold no data, and are loaded before the page has a key to send.
            *(Route(path, page.file) for path in ("/", "/page.js", "/page.css")),
        ],
        exception_handlers=answers.HANDLERS,
    )
    # With a slash at its end, a path is another.
    application.router.redirect_slashes = False
    # A page of another site could otherwise reach this service under a name of its own that leads
    # to this machine, and so read its answers.
    return AddressCheck(
        ShortWay(application, {route.path: route for route in calls}),
        hosts=hosts,
        kind="chain" if is_chain else "model",
    )


def _deployment_routes(
    form: str, api: AsyncEndpoints, sync: Endpoint, *, is_chain: bool
) -> list[_Guarded]:
    call, submit = call_paths(is_chain=is_chain)
    return [
        (f"{form}/{submit}", api.submit_to_chain if is_chain else api.submit, "POST"),
        (f"{form}/async_queue_status", api.queue_status, "GET"),
        (f"{form}/{call}", sync, "POST"),
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
            http=WholeAnswers,
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
