"""Which path leads where, for whom."""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from scripts.local_baseten import answers
from scripts.local_baseten.answers import ApiError
from scripts.local_baseten.api import AsyncApi
from scripts.local_baseten.authorization import authorize
from scripts.local_baseten.sync_predict import SyncPredict

_FORMS = ("/production", "/development", "/environments/{name}", "/deployment/{name}")

Endpoint = Callable[[Request], Awaitable[Response]]


def create_application(api: AsyncApi, sync: SyncPredict, *, api_key: str | None) -> Starlette:
    """The API as an ASGI application; `api_key` None accepts every key."""

    def guarded(endpoint: Endpoint) -> Endpoint:
        async def answer(request: Request) -> Response:
            authorize(request, api_key)
            return await endpoint(request)

        return answer

    def route(path: str, endpoint: Endpoint, method: str) -> Route:
        return Route(path, guarded(endpoint), methods=[method])

    return Starlette(
        routes=[
            *(route(f"{form}/async_predict", api.submit, "POST") for form in _FORMS),
            *(route(f"{form}/async_queue_status", api.queue_status, "GET") for form in _FORMS),
            *(route(f"{form}/predict", sync.answer, "POST") for form in _FORMS),
            route("/async_request/{request_id}", api.status, "GET"),
            route("/async_request/{request_id}", api.cancel, "DELETE"),
        ],
        exception_handlers={
            ApiError: answers.api_error,
            HTTPException: answers.http_exception,
            ClientDisconnect: answers.disconnected,
            Exception: answers.unexpected,
        },
    )
