"""The body of async_predict, and of async_run_remote."""

import json
import re
from typing import Annotated, Any

import httpx
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from starlette.requests import Request

from ..request_queue.pointer import name_of
from ..request_queue.request import AsyncRequest, RetryPolicy, read_json
from .answers import ApiError

_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(rb"(?:[a-z0-9_-]+\.)*[a-z0-9_-]+\.?|[0-9a-f:.]*:[0-9a-f:.]*")
_CONTROL = re.compile(r"[\x00-\x20]")


def check_endpoint(endpoint: str) -> str:
    """Where a webhook may go: https anywhere, http on this machine. Nothing is looked up.

    Returns `endpoint`, judged as the client that will call it reads it. Raises ValueError, which
    says why.
    """
    try:
        url = httpx.URL(endpoint)
    except (ValueError, httpx.InvalidURL):
        raise ValueError("must be an https URL") from None
    is_url = _HOST.fullmatch(url.raw_host) and (url.port or 443) <= 65_535
    if url.scheme not in {"https", "http"} or not is_url or _CONTROL.search(endpoint):
        raise ValueError("must be an https URL")
    if url.scheme == "http" and url.host not in _LOCAL_HOSTS:
        raise ValueError("must be https; http is for localhost only")
    return endpoint


def _whole(value: Any) -> Any:
    """To JSON, which has no integers of its own, 10.0 is one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_Integer = Annotated[int, BeforeValidator(_whole)]


class _Fields(BaseModel):
    """Unknown fields are ignored, as the service's own description allows them."""

    model_config = ConfigDict(
        frozen=True, strict=True, hide_input_in_errors=True, protected_namespaces=()
    )

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, content: Any) -> Any:
        """A field that is null is one that was left out: clients write either."""
        if isinstance(content, dict) and None in content.values():
            return {name: value for name, value in content.items() if value is not None}
        return content


_RETRY = RetryPolicy()


class RetryConfig(_Fields):
    """The bounds of a RetryPolicy are Baseten's."""

    max_attempts: _Integer = Field(default=_RETRY.max_attempts, ge=1, le=10)
    initial_delay_ms: _Integer = Field(default=_RETRY.initial_delay_ms, ge=0, le=10_000)
    max_delay_ms: _Integer = Field(default=_RETRY.max_delay_ms, ge=0, le=60_000)

    def policy(self) -> RetryPolicy:
        return RetryPolicy(
            max_attempts=self.max_attempts,
            initial_delay_ms=self.initial_delay_ms,
            max_delay_ms=self.max_delay_ms,
        )


class SubmitBody(_Fields):
    """An accepted body, its defaults filled in."""

    model_input: dict[str, Any]
    webhook_endpoint: Annotated[str, AfterValidator(check_endpoint)] | None = None
    priority: _Integer = Field(default=0, ge=0, le=2)
    max_time_in_queue_seconds: _Integer = Field(default=600, ge=10, le=259_200)
    inference_retry_config: RetryConfig = RetryConfig()

    def request(
        self, request_id: str, *, deployment_id: str, is_chain: bool, now: float
    ) -> AsyncRequest:
        """The request it asks for, taken at `now`."""
        return AsyncRequest(
            request_id=request_id,
            deployment_id=deployment_id,
            # In ASCII, so that even half a surrogate pair reaches the model as it was sent.
            model_input=json.dumps(self.model_input),
            priority=self.priority,
            created_at=now,
            status_at=now,
            expires_at=now + self.max_time_in_queue_seconds,
            retry=self.inference_retry_config.policy(),
            webhook_endpoint=self.webhook_endpoint,
            is_chain=is_chain,
            name=name_of(self.model_input),
        )


def parse_submit_body(body: bytes, *, is_chain: bool = False) -> SubmitBody:
    """Raises ApiError 400, naming the field and never quoting the input.

    A chain's body is its arguments, or these as `model_input` beside the other fields.
    """
    try:
        content = read_json(body)
    except (ValueError, RecursionError):
        raise ApiError(400, "client_error", "The body is not valid JSON.") from None
    if is_chain and isinstance(content, dict) and not _is_wrapped(content):
        content = {"model_input": content}
    try:
        return SubmitBody.model_validate(content)
    except ValidationError as error:
        raise ApiError(400, "client_error", _first_problem(error)) from None


def _is_wrapped(content: dict[str, Any]) -> bool:
    """An argument of a chain may be called as a field is: then others are not."""
    return "model_input" in content and content.keys() <= SubmitBody.model_fields.keys()


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return f"{field or 'body'}: {first['msg']}"


_MAX_COUNTED_BYTES = 64 * 1024 * 1024


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """Raises ApiError 413, with the sentence Baseten uses.

    What is too much is counted and thrown away: its sender only reads the answer once it has
    sent everything.
    """
    body = bytearray()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= max_bytes:
            body += chunk
        elif size > _MAX_COUNTED_BYTES:
            break
    if size > max_bytes:
        raise ApiError(
            413,
            "payload_too_large",
            f"payload size of {size} bytes exceeds maximum size of {max_bytes} bytes",
        )
    return bytes(body)
