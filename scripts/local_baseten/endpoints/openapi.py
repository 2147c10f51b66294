"""What the service answers, as an OpenAPI description: the one it serves itself by."""

from collections.abc import Iterable
from typing import Any

from ..request_queue.request import Status, WebhookStatus
from .submit_body import SubmitBody

_JSON = dict[str, Any]
_TEXT = {"type": "string"}
_OBJECT = {"type": "object"}
_COUNT = {"type": "integer", "minimum": 0}
_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"}
_ALWAYS = ["error", "error_code"]
_SUBMIT_ERRORS = (400, 401, 413, 429, 503)
_SYNC_ERRORS = (400, 401, 502, 503, 504)


def call_paths(*, is_chain: bool) -> tuple[str, str]:
    """What the paths of synchronous and asynchronous calls end with."""
    return ("run_remote", "async_run_remote") if is_chain else ("predict", "async_predict")


def describe_api(forms: Iterable[str], *, is_chain: bool = False) -> _JSON:
    """OpenAPI 3.1; `forms` are what the paths that name a deployment begin with."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "A stand-in for Baseten's async API", "version": "1"},
        "security": [{"key": []}],
        "paths": {
            "/async_request/{request_id}": {
                "parameters": [_path_parameter("request_id")],
                "get": _operation({"200": _reference("Status")}, errors=(400, 401, 404, 429)),
                "delete": _operation(
                    {"200": _reference("Cancellation")}, errors=(400, 401, 404, 429)
                ),
            },
            **{
                path: item
                for form in forms
                for path, item in _deployment_paths(form, is_chain=is_chain).items()
            },
        },
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def _deployment_paths(form: str, *, is_chain: bool) -> _JSON:
    def post(success: _JSON, body: _JSON | None, errors: Iterable[int]) -> _JSON:
        return item | {"post": _operation(success, body=body, errors=errors)}

    item = {"parameters": [_path_parameter("name")]} if "{name}" in form else {}
    accepted = {"201": _reference("Accepted")}
    body = _reference("SubmitBody")
    submitted = {"anyOf": [body, _OBJECT]} if is_chain else body
    call, submit = call_paths(is_chain=is_chain)
    return {
        f"{form}/{submit}": post(accepted, submitted, _SUBMIT_ERRORS),
        f"{form}/async_queue_status": item
        | {"get": _operation({"200": _reference("QueueStatus")}, errors=(400, 401, 429))},
        # The model's own errors pass through as they are.
        f"{form}/{call}": post({"200": {}, "default": {}}, _OBJECT, _SYNC_ERRORS),
        f"{form}/wake": post({"202": None}, None, (400, 401)),
    }


def _operation(success: _JSON, *, body: _JSON | None = None, errors: Iterable[int]) -> _JSON:
    answers = success | {str(status): _reference("Error") for status in errors}
    operation: _JSON = {"responses": {status: _answer(answers[status]) for status in answers}}
    if body is not None:
        operation["requestBody"] = {"required": True, "content": _content(body)}
    return operation


def _answer(schema: _JSON | None) -> _JSON:
    return {"description": ""} | ({} if schema is None else {"content": _content(schema)})


def _content(schema: _JSON) -> _JSON:
    return {"application/json": {"schema": schema}}


def _reference(name: str) -> _JSON:
    return {"$ref": f"#/components/schemas/{name}"}


def _path_parameter(name: str) -> _JSON:
    schema = {"type": "string", "minLength": 1, "pattern": "^[^/]+$"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _schemas() -> _JSON:
    submission = SubmitBody.model_json_schema(ref_template="#/components/schemas/{model}")
    # The service's type: that null is taken too is for clients that write it.
    submission["properties"]["webhook_endpoint"] = {"type": "string", "format": "uri"}
    return {
        **submission.pop("$defs"),
        "SubmitBody": submission,
        "Accepted": _all_of(request_id=_TEXT),
        "Cancellation": _all_of(request_id=_TEXT, canceled={"type": "boolean"}, message=_TEXT),
        "QueueStatus": _all_of(
            model_id=_TEXT,
            deployment_id=_TEXT,
            num_queued_requests=_COUNT,
            num_in_progress_requests=_COUNT,
        ),
        "Status": {"anyOf": [_status("model_id"), _status("chain_id")]},
        "Error": _all_of(error=_TEXT, error_code=_TEXT, detail=_TEXT) | {"required": _ALWAYS},
    }


def _status(served: str) -> _JSON:
    return _all_of(
        request_id=_TEXT,
        **{served: _TEXT},
        deployment_id=_TEXT,
        status={"enum": list(Status)},
        webhook_status={"enum": list(WebhookStatus)},
        created_at=_TIME,
        status_at=_TIME,
        errors={"type": "array", "items": _all_of(code=_TEXT, message=_TEXT)},
    )


def _all_of(**properties: _JSON) -> _JSON:
    """An object with these and nothing else."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
