"""Many objects are listed as few are, whatever their keys and whatever the server answers."""

import contextlib
import http.server
import threading
import uuid
from collections.abc import Iterator
from typing import ClassVar

import pytest
from obstore.store import MemoryStore

from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.listing.s3_pages import S3Page, S3Pages
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


FULL = REST + b"<Size>1</Size>"
WHOLE = listing(ENTRY % FULL)


def listed(pages):
    return [(one.key, one.size, one.modified_at, one.e_tag) for page in pages for one in page]


def asking(url: str, root: str = "s3://outbox/in") -> Bucket:
    """Its bulk pages are the server's; obstore knows `m/mine` alone."""
    route = route_to(root, endpoint_url=url)
    bucket = Bucket(MemoryStore(), root=root, bulk=lambda: S3Pages(route, Root.parse(root)))
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

    def __init__(self, status: int, body: bytes, handler: type["_Handler"]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
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
def answering(
    status: int, body: bytes, handler: type[_Handler] = _Handler
) -> Iterator[tuple[Answering, Bucket]]:
    """The server, and a bucket with one object whose bulk pages are asked of it."""
    with Answering(status, body, handler) as server:
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
        WHOLE[:-1],  # broken off
        WHOLE.replace(b"false", b"False"),
        WHOLE.replace(b"<IsTruncated>false</IsTruncated>", b"<NextContinuationToken/>"),
        WHOLE.replace(b"<Key>", b"<Key xml:space='preserve'>"),
        WHOLE.replace(b"</ListB", b"<Contents a='b'><Key >in/m/y</Key></Contents></ListB"),
        listing(ENTRY % FULL, b"<Contents a='b'>" + ENTRY[10:] % FULL),
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


def entries(*names: str) -> bytes:
    return listing(*(ENTRY.replace(b"x", name.encode()) % FULL for name in names))


@pytest.mark.parametrize(
    ("until", "names"),
    [(None, "abd"), ("m/d", "abd"), ("m/e", "abd"), ("m/b", "ab"), ("m/a", "a")],
)
def test_a_page_tells_what_it_says_up_to_a_key(until, names):
    said = S3Page(entries("a", "b", "d"), own="in/").entries(until)
    assert said is not None
    assert bytes(said) in entries(*names)
    assert bytes(said).count(b"</Key>") == len(names)


def test_a_page_without_the_key_does_not_tell_what_comes_before_it():
    assert S3Page(entries("a", "b", "d"), own="in/").entries("m/c") is None


def span_of(bucket: Bucket, until: str | None, *, known: bytes | None = None, after=None):
    return bucket.span("m/", after=after, until=until, known=known, in_bulk=True)


@pytest.mark.usefixtures("_environment")
@pytest.mark.parametrize("until", [None, "m/a", "m/b"])
def test_a_span_that_is_as_it_was_has_no_pages(until):
    with answering(200, entries("a", "b")) as (server, bucket):
        span = span_of(bucket, until)
        assert [page.keys for page in span.pages] == [["m/a", "m/b"]]
        assert span_of(bucket, until, known=span.digest) is None
        assert span_of(bucket, until, known=b"another") is not None
        server.body = entries("0", "a", "b")
        assert span_of(bucket, until, known=span.digest) is not None


@pytest.mark.usefixtures("_environment")
def test_a_span_is_the_same_whatever_lies_behind_it():
    with answering(200, entries("a", "b")) as (server, bucket):
        span = span_of(bucket, "m/a")
        server.body = entries("a", "aa", "b")
        assert span_of(bucket, "m/a", known=span.digest) is None


@pytest.mark.usefixtures("_environment")
def test_a_span_that_is_not_understood_is_obstores():
    whole = entries("a", "b")
    with answering(200, whole.replace(b"<Key>in/m/a", b"<Key >in/m/a")) as (_, bucket):
        span = span_of(bucket, "m/b")
        assert [page.keys for page in span.pages] == [["m/mine"]]
        assert span.digest == span_of(bucket.waiting(), "m/b", known=b"").digest
        assert span_of(bucket, "m/b", known=span.digest) is None


@pytest.mark.usefixtures("_environment")
def test_a_span_without_its_end_has_no_digest():
    with answering(200, entries("a", "b")) as (_, bucket):
        assert span_of(bucket, "m/a0").digest is None
        assert span_of(bucket, "m/c").digest is None


@pytest.mark.usefixtures("_environment")
def test_a_server_that_begins_where_it_likes_is_left_to_obstore():
    again = entries("a", "b").replace(b"false", b"true")
    with answering(200, again) as (server, bucket):
        assert keys_of(bucket) == ["m/a", "m/b", "m/mine"]
        assert server.asked == 2
        span = span_of(bucket, "m/zz", after="m/b")
        assert [page.keys for page in span.pages] == [["m/mine"]]


class KeptOpen(_Handler):
    """Keeps a connection for `left` answers, and does not say when it closes it."""

    protocol_version = "HTTP/1.1"
    left = 2
    opened: ClassVar[list[object]] = []

    def setup(self) -> None:
        super().setup()
        self.opened.append(self)

    def do_GET(self) -> None:
        super().do_GET()
        self.left -= 1
        self.close_connection = not self.left


@pytest.mark.usefixtures("_environment")
def test_a_connection_is_kept_and_another_is_made_where_it_was_closed():
    KeptOpen.opened.clear()
    with answering(200, entries("a"), KeptOpen) as (server, bucket):
        for _ in range(5):
            assert keys_of(bucket) == ["m/a"]
        assert (server.asked, len(KeptOpen.opened)) == (5, 3)
