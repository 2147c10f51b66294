"""The API's error answers: `{error, error_code}`, and `detail` where there is one."""

import logging
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ExceptionHandler, Receive, Scope, Send

logger = logging.getLogger(__name__)


class ApiError(Exception):
    """The call is refused. `code` is one of Baseten's; the message never quotes the input."""

    def __init__(self, status: int, code: str, message: str, *, detail: str | None = None) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail
        super().__init__(message)


class BrokenAnswer(JSONResponse):
    """Breaks off before the body: its caller cannot know what became of the call."""

    async def __call__(self, _: Scope, __: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code}
        await send(start | {"headers": self.raw_headers})


def _api_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    logger.info("refused: %s", error.message, extra={"status": error.status})
    return error_answer(error.status, error.code, error.message, detail=error.detail)


def _http_exception(_: Request, error: Exception) -> JSONResponse:
    """No such path, or not with this method."""
    assert isinstance(error, HTTPException)
    return error_answer(error.status_code, "client_error", error.detail)


def error_answer(
    status: int, code: str, message: str, *, detail: str | None = None
) -> JSONResponse:
    body = {"error": message, "error_code": code}
    if detail is not None:
        body["detail"] = detail
    return JSONResponse(body, status_code=status)


_FAILED = "The stand-in failed; see its log."

HANDLERS: dict[Any, ExceptionHandler] = {
    ApiError: _api_error,
    HTTPException: _http_exception,
    # For the log and the metrics: the caller is gone.
    ClientDisconnect: lambda *_: error_answer(499, "client_error", "The caller hung up."),
    Exception: lambda *_: error_answer(500, "internal_baseten_error", _FAILED),
}
"""An answer for whatever an endpoint raises."""
