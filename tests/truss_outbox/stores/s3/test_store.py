"""What only S3 can get wrong."""

import dataclasses
import socket

import pytest

from truss_outbox.contract.errors import (
    AccessDeniedError,
    NotFoundError,
    StoreError,
    StoreUnavailableError,
)
from truss_outbox.stores import open_store


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
