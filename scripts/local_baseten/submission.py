"""The body of async_predict."""

import json
from typing import Annotated, Any, Never

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from scripts.local_baseten.answers import ApiError
from scripts.local_baseten.retry import RetryPolicy
from scripts.local_baseten.webhook_endpoint import check_endpoint

MAX_BODY_BYTES = 262_144


class _Body(BaseModel):
    # Unknown fields are ignored, as the service's own description allows them.
    model_config = ConfigDict(frozen=True, strict=True, hide_input_in_errors=True)


class RetryConfig(_Body):
    """`inference_retry_config`."""

    max_attempts: int = Field(default=3, ge=1, le=10)
    initial_delay_ms: int = Field(default=1_000, ge=0, le=10_000)
    max_delay_ms: int = Field(default=5_000, ge=0, le=60_000)


class Submission(_Body):
    """An accepted body, its defaults filled in."""

    model_config = ConfigDict(protected_namespaces=())

    model_input: dict[str, Any]
    webhook_endpoint: Annotated[str, AfterValidator(check_endpoint)] | None = None
    priority: int = Field(default=0, ge=0, le=2)
    max_time_in_queue_seconds: int = Field(default=600, ge=10, le=259_200)
    inference_retry_config: RetryConfig | None = None

    @property
    def retry(self) -> RetryPolicy:
        config = self.inference_retry_config or RetryConfig()
        return RetryPolicy(**config.model_dump())

    @property
    def model_input_json(self) -> str:
        """In ASCII, so that even half a surrogate pair reaches the model as it was sent."""
        return json.dumps(self.model_input)


def parse_submission(body: bytes) -> Submission:
    """Raises ApiError 400, naming the field and never quoting the input."""
    try:
        content = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise _bad_request("The body is not valid JSON.") from None
    try:
        return Submission.model_validate(content)
    except ValidationError as error:
        raise _bad_request(_first_problem(error)) from None


def _refuse_constant(_: str) -> Never:
    raise ValueError("JSON has neither NaN nor Infinity")


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return f"{field or 'body'}: {first['msg']}"


def _bad_request(message: str) -> ApiError:
    return ApiError(400, "client_error", message)
