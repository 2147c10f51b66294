"""Which path leads where, for whom, called by which name."""

from collections.abc import Awaitable, Callable, Collection, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from scripts.local_baseten import answers
from scripts.local_baseten.answers import ApiError
from scripts.local_baseten.api import AsyncApi
from scripts.local_baseten.authorization import authorize
from scripts.local_baseten.host_check import HostCheck
from scripts.local_baseten.openapi import describe_api
from scripts.local_baseten.page import Page

FORMS = ("", "/production", "/development", "/environments/{name}", "/deployment/{name}")

Endpoint = Callable[[Request], Awaitable[Response]]

NO_CHAINLETS: Mapping[str, Endpoint] = {}


def create_application(
    api: AsyncApi,
    sync: Endpoint,
    page: Page,
    *,
    api_key: str | None,
    hosts: Collection[str],
    chainlets: Mapping[str, Endpoint] = NO_CHAINLETS,
) -> Starlette:
    """The API as an ASGI application, for callers who name one of `hosts`.

    `api_key` None accepts every key. `chainlets` are what a Chain's Chainlets call, by name.
    """

    def guarded(endpoint: Endpoint) -> Endpoint:
        async def answer(request: Request) -> Response:
            authorize(request, api_key)
            return await endpoint(request)

        return answer

    def route(path: str, endpoint: Endpoint, method: str) -> Route:
        return Route(path, guarded(endpoint), methods=[method])

    def routes(form: str) -> list[Route]:
        return [
            route(f"{form}/async_predict", api.submit, "POST"),
            route(f"{form}/async_run_remote", api.submit_to_chain, "POST"),
            route(f"{form}/async_queue_status", api.queue_status, "GET"),
            route(f"{form}/predict", sync, "POST"),
            route(f"{form}/run_remote", sync, "POST"),
            route(f"{form}/wake", api.wake, "POST"),
        ]

    return Starlette(
        routes=[
            *(one for form in FORMS for one in routes(form)),
            *(
                route(f"/chainlets/{name}/run_remote", chainlet, "POST")
                for name, chainlet in chainlets.items()
            ),
            route("/async_request/{request_id}", api.status, "GET"),
            route("/async_request/{request_id}", api.cancel, "DELETE"),
            Route("/openapi.json", _openapi),
            route("/metrics", page.metrics, "GET"),
            route("/page/state", page.state, "GET"),
            route("/page/requests/{request_id}", page.request, "GET"),
            route("/page/requests/{request_id}/artifacts/{number:int}", page.artifact, "GET"),
            Route("/page/access", page.access),
            *(Route(path, page.file) for path in ("/", "/page.js", "/page.css")),
        ],
        middleware=[Middleware(HostCheck, hosts=hosts)],
        exception_handlers={
            ApiError: answers.api_error,
            HTTPException: answers.http_exception,
            ClientDisconnect: answers.disconnected,
            Exception: answers.unexpected,
        },
    )


async def _openapi(_: Request) -> Response:
    return JSONResponse(describe_api(FORMS))
