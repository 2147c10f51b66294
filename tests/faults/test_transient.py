"""The model and the companion judge a bucket's answer alike, on S3 and on GCS."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from obstore.store import GCSStore

from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.bucket.route import gcs_credentials
from tests.gcs_door import Answer, Door, key_file, serving
from truss_outbox.contract.errors import AccessDeniedError, StoreError, StoreUnavailableError
from truss_outbox.retrying import without_pauses
from truss_outbox.stores import GcsOptions, ObjectStore, RetryingStore, S3Options, open_store
from truss_outbox.stores.gcs.client import credentials
from truss_outbox.stores.network import Place

TRIES = 2
TRANSIENT = [408, 425, 429, 500, 502, 503, 504, 507, 509, *range(520, 525)]
PERMANENT = [400, 403, 405, 501, 505]
CODES = [
    *("SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable"),
    *("BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch"),
]


@pytest.fixture(autouse=True)
def form() -> None:
    """These ask no model."""


@pytest.fixture(autouse=True)
def _quick() -> Iterator[None]:
    with without_pauses(tries=TRIES):
        yield


@pytest.fixture
def door() -> Iterator[Door]:
    """Answers all by itself."""
    with serving(door := Door("http://127.0.0.1:9")):
        yield door


@dataclass(frozen=True)
class Side:
    """One of the four ways to a bucket: reading, and writing with and without a condition."""

    get: Callable[[], object]
    put: Callable[[], object]
    create: Callable[[], object]


def writer(store: ObjectStore, tmp_path) -> Side:
    file = tmp_path / "file"
    file.write_bytes(b"data")
    store = RetryingStore(store, timeout_seconds=60)
    return Side(
        get=lambda: store.get("key"),
        put=lambda: store.put_file("key", file, content_type="text/plain"),
        create=lambda: store.create("key", b"data", content_type="text/plain"),
    )


def reader(bucket: Bucket) -> Side:
    return Side(
        get=lambda: bucket.get("key"),
        put=lambda: bucket.put("key", b"data"),
        create=lambda: bucket.create_new("key", b"data"),
    )


@pytest.fixture(params=["s3 writer", "s3 reader", "gs writer", "gs reader"])
def side(request, door, tmp_path, monkeypatch) -> Side:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    scheme, role = request.param.split()
    root = f"{scheme}://bucket/prefix"
    if role == "reader":
        return reader(open_bucket(root, endpoint_url=door.url, region="us-east-1"))
    s3 = S3Options(endpoint_url=door.url, access_key_id="id", secret_access_key="secret")
    return writer(open_store(root, s3=s3, gcs=GcsOptions(endpoint_url=door.url)), tmp_path)


def answer(status: int, code: str = "Odd") -> Answer:
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    return Answer(status=status, body=body, headers={"Content-Type": "application/xml"})


def judged(door: Door, call: Callable[[], object], said: Answer) -> tuple[bool, int]:
    """Whether the error says that a repetition may help, and how often the call was made."""
    door.seen.clear()
    door.before = lambda _: said
    with pytest.raises(StoreError) as caught:
        call()
    return isinstance(caught.value, StoreUnavailableError), len(door.seen)


def test_what_passes_is_repeated(side, door):
    for status in TRANSIENT:
        said = {judged(door, call, answer(status)) for call in (side.get, side.put, side.create)}
        assert (status, said) == (status, {(True, TRIES)})


def test_what_stays_is_told_at_once(side, door):
    for status in PERMANENT:
        said = {judged(door, call, answer(status)) for call in (side.get, side.put, side.create)}
        assert (status, said) == (status, {(False, 1)})


@pytest.mark.parametrize("side", ["s3 writer", "s3 reader"], indirect=True)
def test_s3_says_by_a_code_what_passes(side, door):
    for code in CODES:
        assert (code, judged(door, side.put, answer(400, code))) == (code, (True, TRIES))


def test_a_conflict_with_another_write_is_no_object(side, door):
    assert judged(door, side.create, answer(409, "ConditionalRequestConflict")) == (True, TRIES)


def test_only_a_write_with_a_condition_can_find_that_the_object_exists(side, door):
    """Emulators refuse a damaged body with 412: it is sent again."""
    for call in (side.get, side.put):
        assert judged(door, call, answer(412, "PreconditionFailed")) == (True, TRIES)


def test_a_connection_that_is_lost_is_repeated(side, door):
    door.answer = door.seen.append
    for call in (side.get, side.put, side.create):
        door.seen.clear()
        with contextlib.suppress(StoreUnavailableError):
            call()
        assert len(door.seen) == TRIES


GIVEN = Answer(
    status=200,
    body=b"data",
    headers={"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT", "ETag": '"e"'},
)


def token_faults(door: Door, given: Answer, status: int) -> list[Answer]:
    """The token service fails twice, and then gives a token; the bucket gives anything."""
    faults = [answer(status, "InternalFailure")] * 2

    def respond(seen):
        if seen.method == "GET":
            return GIVEN
        return faults.pop() if faults else given

    door.before = respond
    return faults


@pytest.mark.parametrize("status", [429, 500, 503, 520])
def test_a_fault_of_awss_token_service_passes_for_readers_too(door, tmp_path, monkeypatch, status):
    (tmp_path / "token").write_text("token")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/reader")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", door.url)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # botocore's own
    keys = "<AccessKeyId>A</AccessKeyId><SecretAccessKey>S</SecretAccessKey>"
    rest = "<SessionToken>T</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>"
    result = f"<AssumeRoleWithWebIdentityResult><Credentials>{keys}{rest}</Credentials>"
    given = Answer(
        status=200,
        body=f"<AssumeRoleWithWebIdentityResponse>{result}"
        "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>".encode(),
        headers={"Content-Type": "text/xml"},
    )
    faults = token_faults(door, given, status)
    with without_pauses(tries=3):
        bucket = open_bucket("s3://bucket/prefix", endpoint_url=door.url, region="us-east-1")
        assert bucket.get("key") == b"data"
    assert faults == []


@pytest.mark.parametrize("status", [429, 500, 502, 503, 520])
def test_a_fault_of_googles_token_service_passes_for_readers_too(
    door, tmp_path, monkeypatch, status
):
    (tmp_path / "key.json").write_text(key_file(door.url))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    given = Answer(status=200, body={"access_token": "T", "expires_in": 3600})
    faults = token_faults(door, given, status)
    place = Place(of="the bucket", url=door.url)
    provider = gcs_credentials(credentials(GcsOptions()), place)
    store = GCSStore(
        "bucket",
        config={"base_url": door.url},
        credential_provider=provider,
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    with without_pauses(tries=3):
        assert Bucket(store, root="gs://bucket", credentials=provider).get("key") == b"data"
    assert faults == []


def test_credentials_that_are_refused_are_told_at_once(door, tmp_path, monkeypatch):
    (tmp_path / "key.json").write_text(key_file(door.url))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    door.before = lambda _: Answer(status=400, body={"error": "invalid_grant"})
    place = Place(of="the bucket", url=door.url)
    provider = gcs_credentials(credentials(GcsOptions()), place)
    store = GCSStore(
        "bucket",
        config={"base_url": door.url},
        credential_provider=provider,
    )
    with pytest.raises(AccessDeniedError):
        Bucket(store, root="gs://bucket", credentials=provider).get("key")
    assert len(door.seen) == 1
