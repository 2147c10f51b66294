"""What goes wrong on the way to the service is told as what it is."""

import inspect

import httpx
import pytest
from baseten.client import InferenceClient

from outbox_client.errors import (
    RefusedRequestError,
    ServiceError,
    ServiceUnavailableError,
    UnauthorizedError,
)
from outbox_client.service.api import Addressee
from outbox_client.service.baseten import BasetenApi, connected
from tests.web_pages import web_pages
from truss_outbox.contract.errors import ConfigurationError, OutboxError
from truss_outbox.stores.network import Place

NOWHERE = "http://127.0.0.1:9"
ARGUMENTS = {"body": {"model_input": {}}, "request_id": "some-id", "model_input": {}}
CALLS = ("submit", "predict", "status", "cancel", "queue_status", "wake")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)
    return monkeypatch.setenv


@pytest.fixture
def pages():
    with web_pages() as pages:
        yield pages


def connect(url: str | None = None, **more: str):
    names = {"model_id": "abc", "api_key": "very-secret", "addressee": Addressee()}
    return connected(base_url=url, **names | more)


def call(api: BasetenApi, name: str) -> None:
    method = getattr(api, name)
    method(**{one: ARGUMENTS[one] for one in inspect.signature(method).parameters})


def test_these_are_all_calls():
    public = {name for name, _ in inspect.getmembers(BasetenApi, inspect.isfunction)}
    assert {name for name in public if not name.startswith("_")} == {*CALLS}


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("127.0.0.1:9", "begins with https:// or http://"),
        ("http://host:99999", "port above 65535"),
        ("http://[::1", "its host or port"),
        ("http://me:very-secret@host", "user name or password"),
    ],
)
def test_an_address_that_is_none_is_told_by_its_setting(url, problem):
    with (
        pytest.raises(ConfigurationError, match=f"OUTBOX_BASE_URL: .*{problem}") as caught,
        connect(url, base_url_setting="OUTBOX_BASE_URL"),
    ):
        pass
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9", "ALL_PROXY: names a SOCKS proxy"),
        ("https_proxy", "socks5://me:very-secret@h:9", "https_proxy: names a SOCKS proxy"),
        ("HTTPS_PROXY", "http://me:very-secret@h:99999", "HTTPS_PROXY: has a port above"),
        ("SSL_CERT_FILE", "{tmp}/none.pem", "SSL_CERT_FILE: .*no such file"),
        ("SSL_CERT_FILE", "{tmp}/junk.pem", "SSL_CERT_FILE: .*without certificates"),
        ("SSLKEYLOGFILE", "{tmp}/none/keys", "SSLKEYLOGFILE: cannot be written"),
    ],
)
def test_what_the_environment_says_of_the_way_is_told_by_its_variable(
    variable, value, problem, environment, tmp_path
):
    (tmp_path / "junk.pem").write_text("very-secret")
    environment(variable, value.replace("{tmp}", str(tmp_path)))
    with pytest.raises(ConfigurationError, match=problem) as caught, connect():
        pass
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("no_proxy", ["fd00::/8", "[::1]", "::1", "10.0.0.0/8,.example.com"])
def test_no_proxy_may_have_entries_of_every_kind(no_proxy, environment, pages):
    environment("HTTP_PROXY", pages.url)
    environment("NO_PROXY", no_proxy)
    with connect("http://model.invalid") as api, pytest.raises(ServiceError, match="the proxy at"):
        api.queue_status()
    environment("NO_PROXY", f"127.0.0.1,{no_proxy}")
    with connect(NOWHERE) as api, pytest.raises(ServiceUnavailableError, match="refused"):
        api.queue_status()


def test_a_proxy_that_is_not_for_this_server_is_left_alone(environment, pages):
    environment("ALL_PROXY", "socks5://127.0.0.1:9")
    environment("NO_PROXY", "127.0.0.1")
    with connect(pages.url) as api, pytest.raises(ServiceError, match="a login page"):
        api.queue_status()


@pytest.mark.parametrize("status", [200, 302, 403, 404, 407, 503])
@pytest.mark.parametrize("name", CALLS)
def test_a_page_is_not_taken_for_the_services_answer(name, status, pages):
    pages.status = status
    with connect(pages.url) as api, pytest.raises(ServiceError) as caught:
        call(api, name)
    assert type(caught.value) is (ServiceUnavailableError if status == 503 else ServiceError)
    assert "a login page, answered" in str(caught.value)
    assert f"(HTTP {status}), not the service at {pages.url}" in str(caught.value)


@pytest.mark.parametrize(("status", "kind"), [(403, UnauthorizedError), (422, RefusedRequestError)])
def test_the_services_own_refusals_are_still_its_own(status, kind, pages):
    pages.status, pages.content_type, pages.body = status, "application/json", b'{"error": "no"}'
    with connect(pages.url) as api, pytest.raises(kind):
        call(api, "submit")


@pytest.mark.parametrize("status", [403, 407])
def test_a_proxy_that_lets_nothing_through_is_named_without_its_password(
    status, environment, pages
):
    pages.status = status
    environment("HTTPS_PROXY", pages.url.replace("//", "//me:very-secret@"))
    with connect() as api, pytest.raises(ServiceError) as caught:
        call(api, "submit")
    host = pages.url.removeprefix("http://")
    assert f"the proxy at {host} (HTTPS_PROXY) answered (HTTP {status})" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "setting", "told"),
    [
        (NOWHERE, "OUTBOX_BASE_URL", "check OUTBOX_BASE_URL and the network"),
        ("http://none.invalid", "--base-url", "its name is not known"),
    ],
)
def test_an_address_without_an_answer_is_told_with_what_named_it(url, setting, told):
    with (
        connect(url, base_url_setting=setting) as api,
        pytest.raises(ServiceUnavailableError) as caught,
    ):
        call(api, "submit")
    assert f"{url} ({setting}) does not answer (" in str(caught.value)
    assert told in str(caught.value)


class Panic(BaseException):
    """What native libraries raise, which no `except Exception` catches."""


def failing(error: BaseException) -> BasetenApi:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    http = httpx.Client(base_url=NOWHERE, transport=httpx.MockTransport(fail))
    client = InferenceClient(api_key="k", base_url_override=NOWHERE, http_client_override=http)
    place = Place(of="the service", url=NOWHERE)
    return BasetenApi(client, place=place, addressee=Addressee())


@pytest.mark.parametrize("error", [Panic("secret"), RuntimeError("secret"), OSError("secret")])
@pytest.mark.parametrize("name", CALLS)
def test_whatever_the_sdk_raises_comes_out_of_every_call_as_ours(name, error):
    with pytest.raises(OutboxError, match=type(error).__name__) as caught:
        call(failing(error), name)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", CALLS)
def test_somebody_who_interrupts_is_let_through(name):
    with pytest.raises(KeyboardInterrupt):
        call(failing(KeyboardInterrupt()), name)
