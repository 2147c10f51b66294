"""What only S3 can get wrong."""

import dataclasses
import socket

import pytest

from tests.gcs_door import Answer, Door, serving
from truss_outbox.contract.errors import (
    AccessDeniedError,
    NotFoundError,
    StoreError,
    StoreUnavailableError,
)
from truss_outbox.retrying import without_pauses
from truss_outbox.stores import RetryingStore, open_store

DATA = b"some bytes" * 1000


@pytest.fixture
def door(seaweedfs_options):
    with serving(door := Door(seaweedfs_options.endpoint_url)):
        yield door


@pytest.fixture
def store(door, seaweedfs_options):
    options = dataclasses.replace(seaweedfs_options, endpoint_url=door.url)
    store = open_store("s3://outbox/damaged", s3=options)
    with without_pauses(tries=4):
        yield RetryingStore(store, timeout_seconds=20)


def once(change):
    """Changes the first body that it is given."""
    left = [change]
    return lambda body: left.pop()(body) if left else body


def test_what_is_damaged_on_its_way_here_is_asked_for_again(store, door, tmp_path):
    store.create("a", DATA, content_type="text/plain")
    for number, change in enumerate([lambda body: b"x" + body[1:], lambda body: body[:-1] + b"x"]):
        damage = once(change)
        door.after = lambda seen, body, damage=damage: damage(body)
        assert store.get("a") == DATA
        damage = once(change)
        door.after = lambda seen, body, damage=damage: damage(body)
        store.get_file("a", tmp_path / f"{number}", max_bytes=len(DATA))
        assert (tmp_path / f"{number}").read_bytes() == DATA
    assert len([seen for seen in door.seen if seen.method == "GET"]) == 8


@pytest.mark.parametrize(("status", "code"), [(400, "BadDigest"), (412, "PreconditionFailed")])
def test_what_is_damaged_on_its_way_there_is_sent_again_from_the_file(
    store, door, tmp_path, status, code
):
    (tmp_path / "file").write_bytes(DATA)
    body = f"<Error><Code>{code}</Code></Error>".encode()
    refusals = [Answer(status=status, body=body)]
    door.before = lambda seen: refusals.pop() if refusals else None
    store.put_file(f"sent-again-{code}", tmp_path / "file", content_type="text/plain")
    assert store.get(f"sent-again-{code}") == DATA


@pytest.mark.parametrize("is_known", [True, False])
def test_many_objects_are_deleted_with_one_call_where_the_server_has_it(store, door, is_known):
    unknown = Answer(status=501, body=b"<Error><Code>NotImplemented</Code></Error>")
    keys = [f"deleted-{is_known}/{number}" for number in range(5)]
    for key in keys:
        store.create(key, DATA, content_type="text/plain")
    before, door.seen = len(door.seen), []
    door.before = lambda seen: unknown if seen.method == "POST" and not is_known else None
    store.delete_all(keys)
    assert [seen.method for seen in door.seen] == ["POST", *([] if is_known else ["DELETE"] * 5)]
    assert before == 5
    assert store.keys(f"deleted-{is_known}/") == set()


def test_an_object_that_is_not_deleted_is_told_by_its_own_call(store, door):
    """A call that deletes several succeeds as a whole."""
    held = (
        b"<DeleteResult><Error><Key>damaged/b</Key><Code>AccessDenied</Code></Error></DeleteResult>"
    )
    refused = Answer(status=403, body=b"<Error><Code>AccessDenied</Code></Error>")
    door.before = lambda seen: Answer(status=200, body=held) if seen.method == "POST" else refused
    with pytest.raises(AccessDeniedError, match=r"a: AccessDenied: .* do not allow DeleteObject"):
        store.delete_all(["a", "b"])


def test_the_store_says_how_long_to_wait(store, door):
    headers = {"Retry-After": "17", "Content-Type": "application/xml"}
    slow = b"<Error><Code>SlowDown</Code></Error>"
    door.before = lambda _: Answer(status=503, body=slow, headers=headers)
    with pytest.raises(StoreUnavailableError) as caught:
        store.get("a")
    assert caught.value.retry_after_seconds == 17


def test_a_wrong_secret_is_access_denied(seaweedfs_options):
    options = dataclasses.replace(seaweedfs_options, secret_access_key="wrong")
    with pytest.raises(AccessDeniedError, match="do not allow") as caught:
        open_store("s3://outbox", s3=options).create("a", b"x", content_type="text/plain")
    assert isinstance(caught.value, PermissionError)
    assert "wrong" not in str(caught.value)


def test_a_missing_bucket_is_not_a_missing_object(moto_options):
    with pytest.raises(StoreError, match="NoSuchBucket") as caught:
        open_store("s3://nowhere", s3=moto_options).get("a")
    assert not isinstance(caught.value, NotFoundError)


def test_a_server_that_is_not_there_is_unavailable(seaweedfs_options):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        store = open_store(
            "s3://outbox", s3=dataclasses.replace(seaweedfs_options, endpoint_url=url)
        )
        with pytest.raises(StoreUnavailableError) as caught:
            store.get("a")
    assert isinstance(caught.value, ConnectionError)


def test_missing_credentials_are_named(monkeypatch, tmp_path, moto_options):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    options = dataclasses.replace(moto_options, access_key_id=None, secret_access_key=None)
    with pytest.raises(AccessDeniedError, match="credentials"):
        open_store("s3://outbox", s3=options).get("a")
