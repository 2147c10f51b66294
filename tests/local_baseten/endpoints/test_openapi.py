"""The stand-in answers what its own description says, whatever it is sent."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from local_baseten.endpoints.application import FORMS
from local_baseten.endpoints.openapi import describe_api
from local_baseten.endpoints.submit_body import check_endpoint
from local_baseten.running import running_locally
from tests.local_baseten.conftest import TRUSSES

CALLS = [
    pytest.param(
        method.upper(),
        path,
        mode,
        # All forms of path end at the same: this one has the most to be got wrong.
        marks=[] if path.startswith(("/environments", "/async_request/")) else pytest.mark.slow,
    )
    for path, item in describe_api(FORMS)["paths"].items()
    for method in item
    for mode in ("positive", "negative")
    # What the model is sent synchronously is the model's to judge.
    if method != "parameters" and (mode == "positive" or not path.endswith("/predict"))
]

ERRORS = {
    "async_predict": {"400", "401", "413", "429", "503"},
    "async_run_remote": {"400", "401", "429", "503"},
    "predict": {"400", "401", "502", "503", "504"},
    "run_remote": {"400", "401", "502", "503", "504"},
    "wake": {"401"},
    "async_queue_status": {"401", "429"},
}
"""What Baseten's own description says. It also has 429 for the calls that are not limited here."""


@pytest.mark.parametrize(
    ("field", "described"),
    [
        ("webhook_endpoint", {"type": "string", "format": "uri"}),
        ("priority", {"type": "integer", "minimum": 0, "maximum": 2, "default": 0}),
        (
            "max_time_in_queue_seconds",
            {"type": "integer", "minimum": 10, "maximum": 259_200, "default": 600},
        ),
    ],
)
def test_the_types_are_the_services_own(field, described):
    schemas = describe_api(FORMS)["components"]["schemas"]
    found = schemas["SubmitBody"]["properties"][field]

    assert {name: found[name] for name in found if name != "title"} == described
    assert schemas["SubmitBody"]["required"] == ["model_input"]
    assert "null" not in json.dumps(schemas)
    assert schemas["Error"]["required"] == ["error", "error_code"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("call", ERRORS)
def test_every_documented_error_is_described(form, call):
    (operation,) = [
        operation
        for method, operation in describe_api(FORMS, is_chain="run_remote" in call)["paths"][
            f"{form}/{call}"
        ].items()
        if method != "parameters"
    ]

    assert operation["responses"].keys() >= ERRORS[call]


@pytest.fixture(scope="module")
def description(tmp_path_factory):
    # Takes a second, which not every process needs.
    import schemathesis

    with running_locally(
        TRUSSES / "echo",
        state_directory=tmp_path_factory.mktemp("echo"),
        submits_per_second=100_000,
        status_per_second=100_000,
        max_waiting=100_000,
        concurrency_target=16,
        api_key="right",
    ) as local:
        yield schemathesis.openapi.from_url(f"{local.base_url}/openapi.json")


@pytest.mark.parametrize(("method", "path", "mode"), CALLS)
def test_every_answer_is_as_described(description, method, path, mode):
    from schemathesis import GenerationMode
    from schemathesis.specs.openapi.checks import ignored_auth

    operation, mode = description[path][method], GenerationMode(mode)
    # Whether a key is needed, test_api.py asks: here it is sent with every call.
    excluded = [ignored_auth]

    @settings(max_examples=settings().max_examples // 3)
    @given(data=st.data())
    def answers_as_described(data):
        case = data.draw(operation.as_strategy(generation_mode=mode))
        if path.endswith("/async_predict"):
            assume(says_what_schemas_can(case.body))
        case.call_and_validate(headers={"authorization": "Bearer right"}, excluded_checks=excluded)

    answers_as_described()


def says_what_schemas_can(body: Any) -> bool:
    """No null for a field that may be left out, which is taken; no endpoint that is no https."""
    if not isinstance(body, dict):
        return True
    config = body.get("inference_retry_config")
    inner = list(config.values()) if isinstance(config, dict) else []
    outer = [body[name] for name in body if name != "model_input"]
    endpoint = body.get("webhook_endpoint", "https://example.com")
    with contextlib.suppress(ValueError):
        return None not in outer + inner and bool(check_endpoint(str(endpoint)))
    return False
