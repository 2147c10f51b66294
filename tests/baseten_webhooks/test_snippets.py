"""The pages' receivers, run as they are, in the frameworks they are for."""

import asyncio
import base64
import time
from collections.abc import Callable

import httpx
import pytest

from tests.baseten_webhooks.deliveries import NEW, OLD, body_of, headers_of
from tests.documentation.pages import block

Answer = tuple[int, str]


def names_of(example: str) -> dict:
    names = {"__name__": "readme"}
    exec(compile(example, "README.md", "exec"), names)
    return names


def fastapi(body: bytes, headers: dict[str, str]) -> Answer:
    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(names_of(block("python", "from fastapi"))["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://fastapi") as client:
            return await client.post("/webhook", content=body, headers=headers)

    answer = asyncio.run(post())
    return answer.status_code, answer.text


def flask(body: bytes, headers: dict[str, str]) -> Answer:
    transport = httpx.WSGITransport(names_of(block("python", "from flask"))["app"])
    with httpx.Client(transport=transport, base_url="http://flask") as client:
        answer = client.post("/webhook", content=body, headers=headers)
    return answer.status_code, answer.text


def lambda_handler() -> Callable[[dict, None], dict]:
    return names_of(block("python", "def handler"))["handler"]


def function_url(body: bytes, headers: dict[str, str]) -> Answer:
    lowered = {name.lower(): value for name, value in headers.items()}
    call = {"headers": lowered, "body": body.decode(), "isBase64Encoded": False}
    answer = lambda_handler()(call, None)
    return answer["statusCode"], answer["body"]


def api_gateway(body: bytes, headers: dict[str, str]) -> Answer:
    call = {"headers": headers, "body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    answer = lambda_handler()(call, None)
    return answer["statusCode"], answer["body"]


def test_a_lambda_called_without_a_body_refuses_it(monkeypatch):
    monkeypatch.setenv("WEBHOOK_SECRETS", NEW)
    call = {"headers": {}, "body": None}

    assert lambda_handler()(call, None)["statusCode"] == 401


@pytest.fixture(params=[fastapi, flask, function_url, api_gateway])
def receive(request, monkeypatch):
    monkeypatch.setenv("WEBHOOK_SECRETS", f"{OLD} {NEW}")
    return request.param


def body_sent(seconds_ago: float) -> bytes:
    sent = time.gmtime(time.time() - seconds_ago)
    return body_of(time=time.strftime("%Y-%m-%dT%H:%M:%SZ", sent), data="the output \N{SNOWMAN}")


@pytest.mark.parametrize("secrets", [[OLD], [NEW], ["another", NEW]])
def test_an_event_arrives(receive, capsys, secrets):
    body = body_sent(0)

    status, text = receive(body, headers_of(body, *secrets))

    assert (status, text) in {(200, ""), (200, "null")}
    printed = capsys.readouterr().out
    assert printed == "9876543210abcdef1234567890fedcba the output \N{SNOWMAN}\n"


@pytest.mark.parametrize(
    ("secret", "age", "status", "reason"),
    [("another", 0, 401, "fits any"), (NEW, 1_000, 400, "old")],
)
def test_what_is_not_the_services_or_stale_is_refused(receive, capsys, secret, age, status, reason):
    body = body_sent(age)

    answer = receive(body, headers_of(body, secret))

    assert answer[0] == status
    assert reason in answer[1]
    assert capsys.readouterr().out == ""
