"""The API's error answers: `{error, error_code, detail}`."""

import logging

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

logger = logging.getLogger(__name__)


class ApiError(Exception):
    """The call is refused. `code` is one of Baseten's; the message never quotes the input."""

    def __init__(self, status: int, code: str, message: str, *, detail: str | None = None) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail
        super().__init__(message)


def api_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    logger.info("refused: %s", error.message, extra={"status": error.status})
    return _answer(error.status, error.code, error.message, error.detail)


def http_exception(_: Request, error: Exception) -> JSONResponse:
    """No such path, or not with this method."""
    assert isinstance(error, HTTPException)
    return _answer(error.status_code, "client_error", error.detail, None)


def disconnected(_: Request, __: Exception) -> JSONResponse:
    """Nobody reads it."""
    return _answer(499, "client_error", "The caller hung up.", None)


def unexpected(_: Request, __: Exception) -> JSONResponse:
    return _answer(500, "internal_baseten_error", "The stand-in failed; see its log.", None)


def _answer(status: int, code: str, message: str, detail: str | None) -> JSONResponse:
    body = {"error": message, "error_code": code, "detail": detail}
    return JSONResponse(body, status_code=status)
