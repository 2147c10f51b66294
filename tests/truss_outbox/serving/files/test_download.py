"""Documents fetched from a real HTTPS server; only names, addresses and trust are the test's."""

import hashlib
import socket
import ssl
import threading

import pytest

from tests.truss_outbox.serving.files.https_server import (
    answer,
    dripping,
    raw,
    running_https,
    trusting,
)
from tests.waiting import until
from truss_outbox.contract.errors import DocumentUnavailableError, InvalidInputError
from truss_outbox.serving.files.download import Downloader

URL = "https://files.example.com/document?X-Signature=not-to-be-repeated"
BODY = bytes(range(256)) * 2000
PUBLIC, PRIVATE = "127.0.0.2", "127.0.0.1"
"""What the policy of these tests calls so; both are this machine."""


@pytest.fixture(scope="module")
def running():
    with running_https(PUBLIC) as server:
        yield server


@pytest.fixture
def server(running):
    running.answers.clear()
    running.seen.clear()
    running.connections = 0
    return running


@pytest.fixture(scope="module")
def tls():
    return trusting()


@pytest.fixture
def downloader(server, tls):
    def make(**fields):
        def connect(address, timeout_seconds):
            assert address[1] == 443
            return socket.create_connection((address[0], server.server_port), timeout_seconds)

        return Downloader(**{
            "hosts": ("files.example.com", "*.cdn.example.com"),
            "timeout_seconds": 20,
            "resolve": lambda _: [PUBLIC],
            "is_allowed": lambda address: address == PUBLIC,
            "connect": connect,
            "tls": lambda: tls,
        } | fields)  # fmt: skip

    return make


@pytest.fixture
def path(tmp_path):
    return tmp_path / "document"


def download(downloader, path, *, url=URL, max_bytes=1 << 20):
    return downloader.download(url, path, max_bytes=max_bytes)


def test_a_document_is_fetched_as_it_is_and_hashed(server, downloader, path):
    server.answers["/document"] = answer(BODY, Content_Type="application/pdf")
    assert download(downloader(), path) == hashlib.sha256(BODY).hexdigest()
    assert path.read_bytes() == BODY


def test_the_host_sees_nothing_of_the_model(server, downloader, path, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.answers["/document"] = answer(b"a", Set_Cookie="a=b")
    download(downloader(), path)
    (seen,) = server.seen
    assert seen.path == "/document?X-Signature=not-to-be-repeated"
    assert seen.headers == {
        "Host": "files.example.com",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }


def test_a_chunked_answer_is_put_together(server, downloader, path):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server.answers["/document"] = raw(head, b"3\r\nabc\r\n", b"4\r\ndefg\r\n0\r\n\r\n")
    download(downloader(), path)
    assert path.read_bytes() == b"abcdefg"


PERMANENT = {
    "not found": (answer(status=404), "answered 404; a link that has expired"),
    "forbidden": (answer(status=403), "answered 403"),
    "partial": (answer(b"a", status=206), "answered 206"),
    "no content": (answer(status=204), "answered 204"),
    "web page": (answer(b"<html>", Content_Type="Text/HTML; charset=utf-8"), "is a web page"),
    "compressed": (answer(b"a", Content_Encoding="gzip"), "compressed"),
    "said to be too large": (answer(b"a", Content_Length="1001"), "larger than 1000 bytes"),
    "too large": (answer(b"a" * 1001), "larger than 1000 bytes"),
    "too large in chunks": (
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"1f4\r\n" + b"a" * 500 + b"\r\n", b"1f5\r\n" + b"a" * 501 + b"\r\n0\r\n\r\n"),
        "larger than 1000 bytes",
    ),
    "too large without an end": (dripping(b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 1000), "larger than"),
    "redirect to nowhere": (answer(status=302), "without saying where"),
}  # fmt: skip


@pytest.mark.parametrize("name", PERMANENT)
def test_what_a_repetition_will_not_mend_is_the_requests_fault(server, downloader, path, name):
    server.answers["/document"], problem = PERMANENT[name]
    with pytest.raises(InvalidInputError, match=problem) as caught:
        download(downloader(), path, max_bytes=1000)
    assert "not-to-be-repeated" not in str(caught.value)


TRANSIENT = {
    "unavailable": (answer(status=503), "answered 503"),
    "broken": (answer(status=500), "answered 500"),
    "too many requests": (answer(status=429), "answered 429"),
    "truncated": (answer(b"a" * 10, Content_Length="11"), "failed or broke"),
    "truncated in a chunk": (
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"a\r\nabc"),
        "failed or broke",
    ),
    "no answer": (raw(), "failed or broke"),
    "not HTTP": (raw(b"220 mail.example.com ESMTP\r\n"), "failed or broke"),
    "headers without end": (raw(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 1000), "failed or broke"),
}


@pytest.mark.parametrize("name", TRANSIENT)
def test_what_a_repetition_may_mend_is_worth_one(server, downloader, path, name):
    server.answers["/document"], problem = TRANSIENT[name]
    with pytest.raises(DocumentUnavailableError, match=problem) as caught:
        download(downloader(), path)
    assert "not-to-be-repeated" not in str(caught.value)


@pytest.mark.parametrize(
    "head",
    [b"", b"HTTP/1.1 200 OK\r\nA: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n",
     b"HTTP/1.1 200 OK\r\n\r\n"],
    ids=["status line", "headers", "body", "body without a length"],
)  # fmt: skip
def test_a_host_that_sends_a_byte_now_and_then_is_cut_off(server, downloader, path, head):
    server.answers["/document"] = dripping(head)
    with pytest.raises(DocumentUnavailableError, match=r"not there within 0\.4 s"):
        download(downloader(timeout_seconds=0.4), path)


def test_a_host_that_never_finishes_its_handshake_is_cut_off(downloader, path):
    with socket.create_server((PUBLIC, 0)) as silent:
        port = silent.getsockname()[1]

        def connect(address, timeout_seconds):
            return socket.create_connection((PUBLIC, port), timeout_seconds)

        with pytest.raises(DocumentUnavailableError, match="not there within"):
            download(downloader(timeout_seconds=0.3, connect=connect), path)


def test_a_certificate_for_another_name_is_refused(server, downloader, path):
    server.answers["/document"] = answer(b"a")
    other = downloader(hosts=("other.example.com",))
    with pytest.raises(InvalidInputError, match="no valid TLS certificate"):
        download(other, path, url="https://other.example.com/document")
    assert server.seen == []


def test_a_certificate_of_an_unknown_authority_is_refused(server, downloader, path):
    with pytest.raises(InvalidInputError, match="no valid TLS certificate"):
        download(downloader(tls=ssl.create_default_context), path)
    assert server.seen == []


def test_the_next_address_is_tried_when_one_does_not_answer(server, downloader, path):
    server.answers["/document"] = answer(b"a")
    made = downloader(resolve=lambda _: ["127.0.0.3", PUBLIC], is_allowed=lambda _: True)
    download(made, path)
    assert path.read_bytes() == b"a"


@pytest.mark.parametrize(
    ("number", "error"),
    [(socket.EAI_NONAME, InvalidInputError), (socket.EAI_AGAIN, DocumentUnavailableError)],
)
def test_a_name_that_is_not_found_is_told_from_one_that_cannot_be_asked_for(
    downloader, path, number, error
):
    def resolve(host):
        raise socket.gaierror(number, "no")

    with pytest.raises(error):
        download(downloader(resolve=resolve), path)


def redirect(location, status=302):
    return answer(status=status, Location=location)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_among_the_hosts_is_followed(server, downloader, path, status):
    server.answers["/document"] = redirect("https://a.cdn.example.com/b?c=d", status)
    server.answers["/b"] = redirect("../c", status)
    server.answers["/c"] = answer(b"there")
    download(downloader(), path)
    assert path.read_bytes() == b"there"
    assert [seen.headers["Host"] for seen in server.seen] == [
        "files.example.com", "a.cdn.example.com", "a.cdn.example.com",
    ]  # fmt: skip


def test_five_redirects_are_followed_and_no_more(server, downloader, path):
    for number in range(7):
        server.answers[f"/{number}"] = redirect(f"/{number + 1}")
    server.answers["/7"] = answer(b"there")
    download(downloader(), path, url="https://files.example.com/2")
    assert path.read_bytes() == b"there"
    with pytest.raises(InvalidInputError, match="more than 5 times"):
        download(downloader(), path.with_name("other"), url="https://files.example.com/1")


@pytest.mark.parametrize(
    "location",
    ["http://files.example.com/b", "https://evil.example/", "//evil.example/", "https://127.0.0.1/",
     "https://[::1]/", "https://169.254.169.254/latest/", "https://2130706433/", "file:///etc/passwd",
     "https://files.example.com:8443/", "https://a@files.example.com/", "https://files.example.com\t/",
     "https://files.example.com@evil.example/", "\\\\evil.example/", "https://files.example.com./",
     "https://f%69les.example.com/", "/b#c", "/b c", "gopher://files.example.com/"],
)  # fmt: skip
def test_a_redirect_to_elsewhere_is_not_followed(server, downloader, path, location):
    resolved = []

    def resolve(host):
        resolved.append(host)
        return [PUBLIC]

    server.answers["/document"] = redirect(location)
    server.answers["/b"] = server.answers["/"] = answer(b"fetched")
    with pytest.raises(InvalidInputError, match="redirects to an address that"):
        download(downloader(resolve=resolve), path)
    assert not path.exists()
    assert set(resolved) <= {"files.example.com"}
    assert server.connections <= 1


def test_a_name_whose_meaning_changes_is_connected_to_as_it_was_checked(server, downloader, path):
    """DNS rebinding: whoever owns the name answers a public address first, a private one next."""
    answers = iter([[PUBLIC], [PRIVATE], [PRIVATE]])
    server.answers["/document"] = answer(b"public")
    with running_https(PRIVATE, server.server_port) as inside:
        inside.answers["/document"] = answer(b"private")
        download(downloader(resolve=lambda _: next(answers)), path)
        assert inside.connections == 0
    assert path.read_bytes() == b"public"
    assert next(answers) == [PRIVATE]  # it was asked for once


def test_a_name_whose_meaning_changes_between_redirects_is_refused(server, downloader, path):
    answers = iter([[PUBLIC], [PRIVATE]])
    server.answers["/document"] = redirect("/inside")
    with running_https(PRIVATE, server.server_port) as inside:
        inside.answers["/inside"] = answer(b"private")
        with pytest.raises(InvalidInputError, match="not a public one"):
            download(downloader(resolve=lambda _: next(answers)), path)
        assert inside.connections == 0


def test_nothing_stays_behind(server, downloader, path):
    server.answers["/document"] = answer(b"a")
    download(downloader(), path)

    def timers():
        return [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]

    until(lambda: not timers(), "the end of the watch over the deadline", seconds=5)
