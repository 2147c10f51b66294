"""What goes wrong on the way to a bucket is told as what it is, by both sides in the same words."""

import inspect
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.cloud.storage import Client
from obstore.store import S3Store

from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.open_bucket import open_bucket
from tests.web_pages import WebPages, web_pages
from truss_outbox.contract.errors import (
    ConfigurationError,
    NotFoundError,
    OutboxError,
    StoreError,
    StoreUnavailableError,
)
from truss_outbox.stores import GcsOptions, ObjectStore, S3Options, open_store

NOWHERE = "http://127.0.0.1:9"
S3, GCS = "s3://bucket/in", "gs://bucket/in"
PAIR = {"AWS_ACCESS_KEY_ID": "KEYID", "AWS_SECRET_ACCESS_KEY": "very-secret"}
REGION = {"AWS_REGION": "eu-west-1"}


@pytest.fixture(autouse=True)
def environment(tmp_path, monkeypatch):
    """Nothing of the machine's; a function that sets more, with `{tmp}` in a value."""
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)
    for variable in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "gcloud").mkdir()

    def set_more(values: dict[str, str]) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value.replace("{tmp}", str(tmp_path)))

    set_more(
        {
            "AWS_CONFIG_FILE": "{tmp}/config",
            "AWS_SHARED_CREDENTIALS_FILE": "{tmp}/credentials",
            "AWS_EC2_METADATA_DISABLED": "true",
            "CLOUDSDK_CONFIG": "{tmp}/gcloud",
            "HOME": "{tmp}",
            "NO_GCE_CHECK": "true",
        }
    )
    return set_more


@pytest.fixture
def pages() -> Iterator[WebPages]:
    with web_pages() as pages:
        yield pages


def said_by_both(root: str, **connection: Any) -> str:
    """What the model and the companion say of a GET; the same but for the key that each asks for.

    Whatever is not one of our errors is raised.
    """
    said = []
    for get in (
        lambda: open_store(root, s3=S3Options(**connection), gcs=GcsOptions(**connection)).get(
            "manifests/k"
        ),
        lambda: open_bucket(root, **connection).get("manifests/k"),
    ):
        with pytest.raises(OutboxError) as caught:
            get()
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)
        said.append(str(caught.value).removeprefix("manifests/k: "))
    assert said[0] == said[1]
    return said[0]


# Addresses.


@pytest.mark.parametrize("root", [S3, GCS])
@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("127.0.0.1:9", "is no URL that begins with https://"),
        ("localhost", "is no URL that begins with https://"),
        ("ftp://host", "is no URL that begins with https://"),
        ("http://host:99999", "port above 65535"),
        ("http://host:65536/path", "port above 65535"),
        ("http://host:port", "its host or port"),
        ("http://host:", "its host or port"),
        ("http://", "its host or port"),
        ("http://a b", "its host or port"),
        ("http://[::1", "its host or port"),
        ("http://host/?x=y", r"has a \? or #"),
        ("http://host/a b", "its host or port"),
        ("http://me:very-secret@host", "user name or password"),
        ("http://h\u00f6st", "its host or port"),
    ],
)
def test_an_address_that_is_none_is_told_before_any_library_sees_it(
    root, url, problem, environment, capfd
):
    environment(PAIR | REGION)
    connection = {"endpoint_url": url, "endpoint_setting": "OUTBOX_ENDPOINT_URL"}
    for opening in (
        lambda: open_bucket(root, **connection),
        lambda: open_store(root, s3=S3Options(**connection), gcs=GcsOptions(**connection)),
    ):
        with pytest.raises(ConfigurationError, match=f"OUTBOX_ENDPOINT_URL: .*{problem}") as caught:
            opening()
        assert "secret" not in str(caught.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_an_address_that_the_environment_names_is_looked_at_too(variable, environment):
    environment(PAIR | REGION | {variable: "http://host:99999"})
    with pytest.raises(ConfigurationError, match=f"{variable}: has a port"):
        open_bucket(S3)


@pytest.mark.parametrize(
    ("named", "setting"),
    [
        ({"endpoint_url": NOWHERE, "endpoint_setting": "--endpoint-url"}, "--endpoint-url"),
        ({"AWS_ENDPOINT_URL": NOWHERE}, "AWS_ENDPOINT_URL"),
        ({"AWS_ENDPOINT_URL_S3": NOWHERE}, "AWS_ENDPOINT_URL_S3"),
        ({"profile": f"endpoint_url = {NOWHERE}"}, "endpoint_url of the AWS profile default"),
    ],
)
def test_an_address_without_an_answer_is_told_with_what_named_it(
    named, setting, environment, tmp_path
):
    (tmp_path / "config").write_text(f"[default]\n{named.pop('profile', '')}\n")
    environment(PAIR | REGION | {name: url for name, url in named.items() if name.isupper()})
    connection = {name: value for name, value in named.items() if name.islower()}
    for store in (open_store(S3, s3=S3Options(**connection)), open_bucket(S3, **connection)):
        with pytest.raises(StoreUnavailableError) as caught:
            store.get("k")
        assert f"{NOWHERE} ({setting}) does not answer (" in str(caught.value)
        assert f": check {setting} and the network" in str(caught.value)


# Proxies and certificates.


@pytest.mark.parametrize(
    ("root", "values", "problem"),
    [
        (S3, {"HTTPS_PROXY": "socks5://127.0.0.1:9"}, "HTTPS_PROXY: names a SOCKS proxy"),
        (GCS, {"ALL_PROXY": "socks5://127.0.0.1:9"}, "ALL_PROXY: names a SOCKS proxy"),
        (GCS, {"all_proxy": "socks5h://u:very-secret@h:9"}, "all_proxy: names a SOCKS proxy"),
        (S3, {"HTTPS_PROXY": "http://u:very-secret@h:99999"}, "HTTPS_PROXY: has a port above"),
        (S3, {"HTTPS_PROXY": "h:99999"}, "HTTPS_PROXY: has a port above"),
        (GCS, {"HTTPS_PROXY": "ftp://h:9"}, "HTTPS_PROXY: names no HTTP proxy"),
        (S3, {"AWS_CA_BUNDLE": "{tmp}/none.pem"}, r"AWS_CA_BUNDLE \(ca_bundle\): .*no such file"),
        (S3, {"AWS_CA_BUNDLE": "{tmp}/junk.pem"}, r"AWS_CA_BUNDLE .*: .*without certificates"),
        (S3, {"REQUESTS_CA_BUNDLE": "{tmp}/none.pem"}, "REQUESTS_CA_BUNDLE: .*no such file"),
        (S3, {"REQUESTS_CA_BUNDLE": "{tmp}/junk.pem"}, "REQUESTS_CA_BUNDLE: .*without cert"),
        (GCS, {"REQUESTS_CA_BUNDLE": "{tmp}/none.pem"}, "REQUESTS_CA_BUNDLE: .*no such file"),
        (GCS, {"CURL_CA_BUNDLE": "{tmp}/junk.pem"}, "CURL_CA_BUNDLE: .*without certificates"),
        (S3, {"SSLKEYLOGFILE": "{tmp}/none/keys"}, "SSLKEYLOGFILE: cannot be written"),
        (GCS, {"SSLKEYLOGFILE": "{tmp}/none/keys"}, "SSLKEYLOGFILE: cannot be written"),
    ],
)
def test_what_the_environment_says_of_the_way_is_told_by_its_variable(
    root, values, problem, environment, tmp_path
):
    (tmp_path / "junk.pem").write_text("very-secret")
    (tmp_path / "key.json").write_text(json.dumps(google_key()))
    environment(PAIR | REGION | {"GOOGLE_APPLICATION_CREDENTIALS": "{tmp}/key.json"} | values)
    for opening in (lambda: open_store(root), lambda: open_bucket(root)):
        with pytest.raises(ConfigurationError, match=problem) as caught:
            opening()
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"ALL_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": "*"},
        {"HTTPS_PROXY": NOWHERE, "NO_PROXY": "fd00::/8,[::1],127.0.0.1"},
        {"SSL_CERT_FILE": "/none.pem", "SSL_CERT_DIR": "/none"},
    ],
)
@pytest.mark.parametrize("root", [S3, GCS])
def test_what_is_not_about_this_bucket_is_left_alone(root, values, environment, pages):
    environment(PAIR | values)
    pages.status, pages.body, pages.content_type = 404, b"", "text/plain"
    with pytest.raises((NotFoundError, StoreError), match="no such"):
        open_store(
            root,
            s3=S3Options(endpoint_url=pages.url),
            gcs=GcsOptions(endpoint_url=pages.url),
        ).get("k")
    with pytest.raises(NotFoundError):
        open_bucket(root, endpoint_url=pages.url).get("k")


# Web pages in the place of answers.


@pytest.mark.parametrize("status", [200, 302, 403, 404, 407, 503])
@pytest.mark.parametrize("root", [S3, GCS])
def test_a_page_is_not_taken_for_the_buckets_answer(root, status, environment, pages):
    environment(PAIR)
    pages.status = status
    connection = {"endpoint_url": pages.url, "endpoint_setting": "OUTBOX_ENDPOINT_URL"}
    store = open_store(root, s3=S3Options(**connection), gcs=GcsOptions(**connection))
    bucket = open_bucket(root, **connection)
    for call in (
        lambda: store.get("k"),
        lambda: store.create("k", b"{}", content_type="text/plain"),
        lambda: bucket.get("k"),
        lambda: bucket.create_new("k", b"{}"),
        lambda: list(bucket.keys("manifests/")),
    ):
        with pytest.raises(StoreError) as caught:
            call()
        assert type(caught.value) is (StoreUnavailableError if status == 503 else StoreError)
        assert "a login page" in str(caught.value)
        assert "answered" in str(caught.value)


@pytest.mark.parametrize("status", [403, 407])
@pytest.mark.parametrize("root", [S3, GCS])
def test_a_proxy_that_lets_nothing_through_is_named_without_its_password(
    root, status, environment, pages, tmp_path
):
    pages.status = status
    proxy = pages.url.replace("//", "//me:very-secret@")
    (tmp_path / "key.json").write_text(json.dumps(google_key(token_uri=NOWHERE)))
    environment(PAIR | REGION | {"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy})
    connection = {"endpoint_url": "http://bucket.invalid"}
    said = said_by_both(root, **connection)
    assert f"the proxy at {pages.url.removeprefix('http://')} (HTTPS_PROXY) answered" in said
    assert f"(HTTP {status}), not the bucket at http://bucket.invalid" in said
    for store in (open_store(S3), open_bucket(S3)):  # through a tunnel
        with pytest.raises(StoreError, match=r"\(HTTPS_PROXY\) answered.*amazonaws") as caught:
            store.get("k")
        assert "secret" not in str(caught.value)
    assert all(ask.startswith(("GET", "CONNECT")) for ask in pages.asked)


# AWS's credentials.

SSO_SESSION = """sso_session = mine
sso_account_id = 111122223333
sso_role_name = Role
[sso-session mine]
sso_start_url = https://sso.invalid
sso_region = eu-west-1
"""


def process(text: str) -> str:
    return f"credential_process = sh -c '{text}'\n"


@pytest.mark.parametrize(
    ("profile", "values", "problem"),
    [
        ("", {}, "none were found"),
        ("", {"AWS_PROFILE": "other"}, "there is no profile 'other'"),
        ("junk\n[", {}, "config cannot be read"),
        ("", {"AWS_ACCESS_KEY_ID": "KEYID"}, "half a pair: AWS_SECRET_ACCESS_KEY is missing"),
        ("aws_access_key_id = x\n", {}, "half a pair: aws_secret_access_key is missing"),
        ("", PAIR | {"AWS_SESSION_TOKEN": "very-secret\n"}, "hold a space, a line break"),
        ("", PAIR | {"AWS_ACCESS_KEY_ID": "cl\u00e9"}, "hold a space, a line break"),
        ("credential_process = /none/program\n", {}, "credential_process cannot be started"),
        (process("echo very-secret >&2; exit 3"), {}, "credential_process failed"),
        (process("echo very-secret"), {}, "credential_process printed no credentials"),
        (process("echo []"), {}, "credential_process printed no credentials"),
        (process("echo {}"), {}, "credential_process printed no credentials"),
        (SSO_SESSION, {}, "run aws sso login"),
        ("sso_session = none\nsso_account_id = 1\n", {}, "sso-session does not exist"),
        ("role_arn = arn:aws:iam::1:role/r\nsource_profile = none\n", {}, '"none" referenced'),
        (
            "role_arn = arn:aws:iam::1:role/r\ncredential_source = Ec2InstanceMetadata\n",
            {},
            "Ec2InstanceMetadata gives none, or does not answer",
        ),
        (
            "",
            {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{NOWHERE}/c"},
            r"token service \(container-role\) does not answer",
        ),
        (
            "",
            {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/c"},
            "names a host that may not give any",
        ),
        (
            "",
            {"AWS_WEB_IDENTITY_TOKEN_FILE": "/none", "AWS_ROLE_ARN": "arn:aws:iam::1:role/rrrrrr"},
            "check AWS_WEB_IDENTITY_TOKEN_FILE",
        ),
        (
            "",
            {
                "AWS_WEB_IDENTITY_TOKEN_FILE": "{tmp}/token",
                "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/r",
                "AWS_ENDPOINT_URL_STS": NOWHERE,
            },
            "the token service at 127.0.0.1:9 does not answer",
        ),
    ],
)
def test_what_is_wrong_with_aws_credentials_is_told_as_what_it_is(
    profile, values, problem, environment, tmp_path, monkeypatch
):
    # botocore waits a second before each of its three tries; nobody is there to answer them.
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    (tmp_path / "token").write_text("a-token")
    (tmp_path / "config").write_text(f"[default]\n{profile}")
    environment(REGION | values)
    for opening in (lambda: open_store(S3).get("k"), lambda: open_bucket(S3).get("k")):
        with pytest.raises(OutboxError, match=f"AWS credentials: .*{problem}") as caught:
            opening()
        assert "very-secret" not in str(caught.value)


# Google's.


def google_key(**more: str) -> dict[str, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    account = {"type": "service_account", "client_email": "a@p.iam.gserviceaccount.com"}
    return account | {"private_key": pem.decode(), "token_uri": f"{NOWHERE}/token"} | more


USER = {
    "type": "authorized_user",
    "client_id": "c",
    "client_secret": "very-secret",
    "refresh_token": "very-secret",
}
WORKLOAD = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": f"{NOWHERE}/v1/token",
    "credential_source": {"file": "/none"},
}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "GOOGLE_APPLICATION_CREDENTIALS: names no file"),
        ("very-secret", "GOOGLE_APPLICATION_CREDENTIALS: .*damaged"),
        ("[]", "GOOGLE_APPLICATION_CREDENTIALS: .*damaged"),
        ("{}", "GOOGLE_APPLICATION_CREDENTIALS: .*of no type that is known"),
        ('{"type": "very-secret"}', "GOOGLE_APPLICATION_CREDENTIALS: .*of no type that is known"),
        ('{"type": "service_account"}', "GOOGLE_APPLICATION_CREDENTIALS: .*damaged"),
        ({"private_key": "very-secret"}, "GOOGLE_APPLICATION_CREDENTIALS: .*damaged"),
        ({}, "Google credentials: the token service does not answer"),
        (json.dumps(WORKLOAD), "Google credentials: .*gcp_workload_identity_provider"),
    ],
)
def test_what_is_wrong_with_googles_credentials_is_told_as_what_it_is(
    content, problem, environment, tmp_path
):
    if content is not None:
        text = content if isinstance(content, str) else json.dumps(google_key() | content)
        (tmp_path / "key.json").write_text(text)
    environment({"GOOGLE_APPLICATION_CREDENTIALS": "{tmp}/key.json"})
    for get in (lambda: open_store(GCS).get("k"), lambda: open_bucket(GCS).get("k")):
        with pytest.raises(OutboxError, match=problem) as caught:
            get()
        assert "very-secret" not in str(caught.value)


def test_without_any_google_credentials_every_way_to_some_is_told(environment):
    with pytest.raises(ConfigurationError, match="no metadata server answers") as caught:
        open_bucket(GCS)
    for way in ("gcp_service_account", "gcloud auth application-default login"):
        assert way in str(caught.value)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (google_key, "does not take the service account's key"),
        (lambda **_: USER, "the gcloud login has ended"),
    ],
)
def test_a_token_that_google_refuses_is_told_by_whose_it_is(
    document, problem, environment, tmp_path, pages, monkeypatch
):
    pages.status, pages.content_type = 400, "application/json"
    pages.body = b'{"error": "invalid_grant", "error_description": "very-secret"}'
    monkeypatch.setattr("google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT", pages.url)
    (tmp_path / "key.json").write_text(json.dumps(document(token_uri=f"{pages.url}/token")))
    environment({"GOOGLE_APPLICATION_CREDENTIALS": "{tmp}/key.json"})
    assert problem in said_by_both(GCS)


def test_a_universe_that_is_not_the_endpoints_is_told(environment, tmp_path):
    key = google_key(universe_domain="universe.invalid")
    (tmp_path / "key.json").write_text(json.dumps(key))
    environment({"GOOGLE_APPLICATION_CREDENTIALS": "{tmp}/key.json"})
    with pytest.raises(ConfigurationError, match=r"universe_domain .* universe\.invalid"):
        open_bucket(GCS, endpoint_url="https://storage.googleapis.com")
    with pytest.raises(StoreUnavailableError, match=r"storage\.universe\.invalid \(universe_dom"):
        open_store(GCS).get("k")


# Whatever else.


class Panic(BaseException):
    """What native libraries raise, which no `except Exception` catches."""


def calls_of(target: Any, tmp_path: Path) -> dict[str, Callable[[], Any]]:
    """Every public method that is about a key or a prefix, with something for each parameter."""
    (tmp_path / "file").write_bytes(b"x")
    values = {
        "key": "k",
        "prefix": "p/",
        "data": b"x",
        "content_type": "text/plain",
        "max_bytes": 9,
        "start": 0,
        "length": 1,
        "check_size": lambda _: None,
        "after": None,
        "until": None,
        "known": None,
        "in_bulk": True,
        "life": timedelta(hours=1),
    }
    calls = {}
    for name, method in inspect.getmembers(target, inspect.ismethod):
        parameters = inspect.signature(method).parameters
        if name.startswith("_") or not parameters.keys() & {"key", "prefix"}:
            continue
        path = tmp_path / ("new" if name == "get_file" else "file")
        given = {one: path if one == "path" else values[one] for one in parameters}

        def call(method: Callable[..., Any] = method, given: dict[str, Any] = given) -> None:
            answer = method(**given)
            if isinstance(answer, Iterator):
                next(answer, None)

        calls[name] = call
    return calls


class Broken(requests.adapters.HTTPAdapter):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def send(self, *_: Any, **__: Any) -> Any:
        raise self.error


def broken_store(kind: str, error: BaseException) -> ObjectStore:
    """A store whose transport raises `error`, in an SDK's own depths."""
    if kind == "s3":
        options = S3Options(endpoint_url=NOWHERE, access_key_id="k", secret_access_key="s")
        store = open_store(S3, s3=options)

        def fail(**_: Any) -> None:
            raise error

        store._client.meta.events.register("before-send.s3", fail)
    else:
        store = open_store(GCS, gcs=GcsOptions(endpoint_url=NOWHERE))
        client: Client = store._bucket.client
        client._http.mount("http://", Broken(error))
    return store


@pytest.mark.parametrize("error", [Panic("secret"), RuntimeError("secret"), MemoryError()])
@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_whatever_an_sdk_raises_comes_out_of_every_method_as_ours(kind, error, tmp_path):
    for name, call in calls_of(broken_store(kind, error), tmp_path).items():
        with pytest.raises(StoreError, match=type(error).__name__) as caught:
            call()
        assert "secret" not in str(caught.value), name


@pytest.mark.parametrize("kind", ["s3", "gcs"])
def test_somebody_who_interrupts_is_let_through(kind, tmp_path):
    for interruption in (KeyboardInterrupt(), SystemExit(3)):
        for call in calls_of(broken_store(kind, interruption), tmp_path).values():
            with pytest.raises(type(interruption)):
                call()


def test_a_panic_of_obstore_comes_out_of_every_method_as_ours(tmp_path, capfd):
    """By an address that no setting can name: `open_bucket` refuses it, as its panic is printed."""
    store = S3Store(
        "b", endpoint="no address", access_key_id="k", secret_access_key="s", region="r"
    )
    calls = calls_of(Bucket(store, root="s3://b"), tmp_path)
    assert {"get", "pages", "upload", "delete", "link"} <= calls.keys()
    for name, call in calls.items():
        with pytest.raises(StoreError) as caught:
            call()
        assert "\n" not in str(caught.value), name
    assert "panicked" in capfd.readouterr().err


def test_a_file_here_that_has_gone_is_a_stores_error(tmp_path):
    for kind in ("s3", "gcs"):
        store = broken_store(kind, RuntimeError())
        with pytest.raises(StoreError, match="a file here cannot be used: No such file"):
            store.put_file("k", tmp_path / "none", content_type="text/plain")


def test_an_object_is_deleted_by_its_name_alone(environment, pages, capfd):
    """obstore does not survive an answer to DeleteObjects that names another one."""
    environment(PAIR)
    pages.content_type = "application/xml"
    pages.body = b"<DeleteResult><Deleted><Key>another</Key></Deleted></DeleteResult>"
    open_bucket(S3, endpoint_url=pages.url).delete("k")
    assert pages.asked == ["DELETE /bucket/in/k"]
    assert capfd.readouterr().err == ""
