"""Many objects are listed as few are, whatever their keys and whatever the server answers."""

import contextlib
import http.server
import threading
import uuid
from collections.abc import Iterator

import pytest
from obstore.store import MemoryStore

from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.listing.s3_pages import S3Pages
from outbox_client.bucket.open_bucket import route_to
from tests.outbox_client.bucket.neighbours import RefusedError, opened
from truss_outbox.contract.root import Root

ODD = [
    "a&b",
    "a<b>",
    "a&amp;b",
    "a\uffffb",
    "'\"",
    "a+b %41",
    "\u2028",
    "\x85",
    "\N{GRINNING FACE}",
]
NOTHING = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
ENTRY = b"<Contents><Key>in/m/x</Key>%s</Contents>"
REST = b"<LastModified>2026-11-28T01:02:03.000Z</LastModified><ETag>&quot;e&quot;</ETag>"


def listing(*entries: bytes, is_truncated: bool = False) -> bytes:
    end = b"<IsTruncated>%s</IsTruncated>" % str(is_truncated).lower().encode()
    return b"<ListBucketResult>%s%s</ListBucketResult>" % (end, b"".join(entries))


def listed(pages):
    return [(one.key, one.size, one.modified_at, one.e_tag) for page in pages for one in page]


def asking(url: str, root: str = "s3://outbox/in") -> Bucket:
    """Its bulk pages are the server's; obstore knows `m/mine` alone."""
    route = route_to(root, endpoint_url=url)
    bucket = Bucket(MemoryStore(), root=root, bulk=S3Pages(route, Root.parse(root)))
    bucket.create("m/mine", b"x")
    return bucket


SERVERS = ["seaweedfs", "moto"]


@pytest.mark.parametrize("server", SERVERS)
def test_obstore_is_not_asked_for_what_outbox_stores(server, request, naming):
    made = opened(server, request, naming, uuid.uuid4().hex[:8])
    for name in ("a", "b%20c", "sub/d", "-_.~"):
        made.put(f"manifests/job=K/{name}.json", b"{}")
    many = asking(made.environment["OUTBOX_ENDPOINT_URL"], made.bucket.root)
    found = listed(many.bulk_pages("manifests/job=K/", after=None))
    assert found == listed(made.bucket.pages("manifests/job=K/", after=None))
    assert len(found) == 4


@pytest.mark.parametrize("kind", [pytest.param("seaweedfs", marks=pytest.mark.slow), "moto"])
def test_every_key_comes_as_it_is(kind, request, naming):
    made = opened(kind, request, naming, uuid.uuid4().hex[:8])
    made.move_in()
    for name in ODD:
        with contextlib.suppress(RefusedError):
            made.put(f"manifests/job=K/{name}.json", b"{}")
    few = sorted(listed(made.bucket.pages("manifests/", after=None)))
    many = sorted(listed(made.bucket.bulk_pages("manifests/", after=None)))
    assert len(many) > 15
    assert [one[:3] for one in many] == [one[:3] for one in few]
    # The SDK, which lists what obstore refuses, is not asked for tags.
    assert all(mine == theirs for (*_, mine), (*_, theirs) in zip(many, few, strict=True) if theirs)


def test_pages_follow_one_another_from_any_key(bucket, root, seaweedfs):
    keys = [f"manifests/job=J/{number:04}.json" for number in range(1300)]
    for _ in bucket.in_threads(lambda key: bucket.create(key, b"x"), keys):
        pass
    many = asking(seaweedfs.endpoint_url, root)
    for after in (None, keys[0], "manifests/job=J/0001", keys[998], keys[-1]):
        pages = [page.keys for page in many.bulk_pages("manifests/job=J/", after=after)]
        wanted = [key for key in keys if after is None or key > after]
        assert pages == [some for some in (wanted[:1000], wanted[1000:]) if some]


class Answering(http.server.ThreadingHTTPServer):
    """Answers everything alike, and counts how often."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body, self.asked = status, body, 0


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Answering

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(self.server.body)))
        self.send_header("location", "/elsewhere")
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        return


@contextlib.contextmanager
def answering(status: int, body: bytes) -> Iterator[tuple[Answering, Bucket]]:
    """The server, and a bucket with one object whose bulk pages are asked of it."""
    with Answering(status, body) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server, asking(f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


def keys_of(bucket: Bucket) -> list[str]:
    return [key for page in bucket.bulk_pages("m/", after=None) for key in page.keys]


@pytest.fixture
def _environment(monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, b""),
        (403, b"<Error><Code>AccessDenied</Code></Error>"),
        (301, NOTHING),
        (200, b"<html>log in</html>"),
        (200, b""),
    ],
)
def test_after_an_error_obstore_lists_and_says_what_is_wrong(status, body):
    with answering(status, body) as (server, bucket):
        assert [keys_of(bucket), keys_of(bucket)] == [["m/mine"]] * 2
        assert server.asked == 1


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize(
    "body",
    [
        listing(ENTRY % b"") + b"<",
        listing(ENTRY % REST),
        listing(ENTRY % (REST + b"<Size>many</Size>")),
        listing(ENTRY % b"<Size>1</Size><LastModified>yesterday</LastModified>"),
        listing(ENTRY % b"<Size>1</Size><LastModified>2026-11-28T01:02:03</LastModified>"),
        listing(b"<Contents a='b'>" + ENTRY[10:] % (REST + b"<Size>1</Size>")),
        listing(ENTRY.replace(b"x", b"\x01") % (REST + b"<Size>1</Size>")),
        listing(ENTRY.replace(b"x", "\uffff".encode()) % (REST + b"<Size>1</Size>")),
        listing(ENTRY.replace(b"x", b"\xff") % (REST + b"<Size>1</Size>")),
        listing(ENTRY.replace(b"x", "\ufffd".encode()) % (REST + b"<Size>1</Size>")),
        listing(b"<KeyCount>2</KeyCount>", ENTRY % (REST + b"<Size>1</Size>")),
        listing(is_truncated=True),
    ],
)
def test_what_is_not_understood_is_left_to_obstore(body):
    with answering(200, body) as (server, bucket):
        assert [keys_of(bucket), keys_of(bucket)] == [["m/mine"]] * 2
        assert server.asked == 2


@pytest.mark.usefixtures("_environment")
def test_what_is_understood_needs_no_obstore():
    whole = listing(ENTRY % (REST + b"<Size>7</Size>"))
    with answering(200, whole) as (_, bucket):
        (found,) = listed(bucket.bulk_pages("m/", after=None))
        assert (*found[:2], found[3]) == ("m/x", 7, '"e"')
        assert found[2].isoformat() == "2026-11-28T01:02:03+00:00"
        assert keys_of(bucket) == ["m/x"]
    with answering(200, NOTHING) as (_, bucket):
        assert keys_of(bucket) == []


@pytest.mark.usefixtures("_environment")
def test_a_server_that_is_not_there_is_left_to_obstore():
    with answering(200, b"") as (server, _):
        url = f"http://127.0.0.1:{server.server_port}"
    assert keys_of(asking(url)) == ["m/mine"]
