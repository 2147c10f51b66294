"""The reader's bucket: what its failures are called."""

import contextlib
import http.server
import threading
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from obstore.store import HTTPStore

from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.open_bucket import open_bucket
from tests.web_pages import web_pages
from truss_outbox.contract.errors import (
    AccessDeniedError,
    ConfigurationError,
    NotFoundError,
    ObjectTooLargeError,
    StoreError,
    StoreUnavailableError,
)


def test_create_keeps_what_is_there(bucket):
    bucket.create("inputs/x", b"first")
    bucket.create("inputs/x", b"second")
    assert bucket.get("inputs/x") == b"first"


def test_a_listing_stops_at_the_prefix(bucket):
    for key in ("manifests/job=a/1.json", "manifests/job=ab/2.json", "manifests/job=a/x/3.json"):
        bucket.create(key, b"{}")
    assert sorted(bucket.keys("manifests/job=a/")) == [
        "manifests/job=a/1.json",
        "manifests/job=a/x/3.json",
    ]
    assert list(bucket.keys("failures/")) == []


def test_a_listing_has_more_than_one_page(bucket):
    from outbox_client.threads import in_threads

    keys = [f"manifests/job=J/{number}.json" for number in range(1100)]
    list(in_threads(lambda key: bucket.create(key, b"{}"), keys))
    assert sorted(bucket.keys("manifests/job=J/")) == sorted(keys)


def test_what_is_not_there_is_not_found(bucket):
    with pytest.raises(NotFoundError):
        bucket.get("nothing")
    with pytest.raises(NotFoundError):
        bucket.get_range("nothing", start=0, length=1)
    assert not bucket.exists("nothing")


def test_wrong_credentials_are_access_denied(seaweedfs, root, bucket_environment, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    bucket = open_bucket(root, endpoint_url=seaweedfs.endpoint_url)
    for call in (
        lambda: bucket.get("x"),
        lambda: list(bucket.keys("manifests/")),
        lambda: bucket.create("x", b""),
    ):
        with pytest.raises(AccessDeniedError):
            call()


def test_a_missing_bucket_is_named(seaweedfs, bucket_environment):
    bucket = open_bucket("s3://nobody-has-this", endpoint_url=seaweedfs.endpoint_url)
    with pytest.raises(StoreError, match="no such bucket"):
        list(bucket.keys("manifests/"))


@pytest.mark.parametrize("name", ["a//b", "bell\a", f"{'x' * 400}//b"])
def test_an_object_that_obstore_refuses_is_listed_under_its_key(name, moto_options, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "moto")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "moto")
    bucket = open_bucket("s3://outbox/odd", endpoint_url=moto_options.endpoint_url)
    keys = ["manifests/job=J/", "manifests/job=J/a", f"manifests/job=J/{name}"]
    client = boto3.client("s3", endpoint_url=moto_options.endpoint_url, region_name="us-east-1")
    with contextlib.closing(client):
        for key in keys:
            client.put_object(Bucket="outbox", Key=f"odd/{key}", Body=b"")
        try:
            assert list(bucket.keys("manifests/job=J/")) == sorted(keys)
            after = bucket.pages("manifests/job=J/", after=keys[0])
            assert [key for page in after for key in page.keys] == sorted(keys)[1:]
        finally:
            for key in keys:
                client.delete_object(Bucket="outbox", Key=f"odd/{key}")


def test_an_absent_store_is_unavailable(bucket_environment):
    bucket = open_bucket("s3://outbox", endpoint_url="http://127.0.0.1:9")
    with pytest.raises(StoreUnavailableError):
        list(bucket.keys("manifests/"))


@pytest.mark.parametrize("root", ["", "s3://", "ftp://x/y", "x", "file://host/x", "s3://b?x=y"])
def test_a_root_is_a_bucket_or_a_directory(root):
    with pytest.raises(ConfigurationError, match="root"):
        open_bucket(root)


def test_missing_credentials_say_what_to_set(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="AWS_ACCESS_KEY_ID"):
        open_bucket("s3://outbox")


def test_a_download_that_breaks_off_is_unavailable():
    class Half(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-length", "10000000")
            self.end_headers()
            self.wfile.write(b"x" * 5_000_000)

        def log_message(self, *_):
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Half) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        store = HTTPStore(url, client_options={"allow_http": True}, retry_config={"max_retries": 0})
        try:
            with pytest.raises(StoreUnavailableError):
                Bucket(store, root=url).get("file")
        finally:
            server.shutdown()
            thread.join()


class Counted:
    """The SDK's listing, and how often it was asked for one; see `NativeBucket`."""

    def __init__(self, bucket) -> None:
        self._native, self.listings = bucket._native, 0

    def objects(self, prefix, *, after):
        self.listings += 1
        return self._native.objects(prefix, after=after)


def test_only_the_page_of_an_odd_object_is_listed_by_the_sdk(bucket, root):
    keys = [f"manifests/job=J/{number:04}.json" for number in range(1300)]
    odd = ["manifests/job=J/0000-empty", "manifests/job=J/1100-empty"]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: bucket.create(key, b"" if key in odd else b"x"), keys + odd))
    native = Counted(bucket)
    counted = Bucket(bucket._store, root=root, native=native)

    assert list(counted.keys("manifests/job=J/")) == sorted(keys + odd)

    assert native.listings == 2


def test_a_server_that_ignores_ranges_is_told_at_once(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    with web_pages() as server:
        server.body, server.content_type = b"the whole object", "application/octet-stream"
        bucket = open_bucket("s3://b/p", endpoint_url=server.url)
        with pytest.raises(StoreError, match="this server ignores ranges"):
            bucket.get_range("file", start=4, length=5)
        assert len(server.asked) == 1


def test_a_small_object_is_read_whole_where_ranges_are_ignored(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "none")
    with web_pages() as server:
        server.body, server.content_type = b"the whole object", "application/octet-stream"
        server.headers = {"etag": '"0"', "last-modified": "Fri, 27 Nov 2026 12:00:00 GMT"}
        bucket = open_bucket("s3://b/p", endpoint_url=server.url)
        assert bucket.get("file", max_bytes=16) == b"the whole object"
        with pytest.raises(ObjectTooLargeError, match="larger than 15 bytes"):
            bucket.get("file", max_bytes=15)


@pytest.mark.parametrize("data", [b"", b"abc"])
def test_a_bound_is_of_what_the_object_has(bucket, data):
    bucket.create("x", data)
    for most in (len(data), len(data) + 1, 5 << 20):
        assert bucket.get("x", max_bytes=most) == data
    if data:
        with pytest.raises(ObjectTooLargeError):
            bucket.get("x", max_bytes=len(data) - 1)
