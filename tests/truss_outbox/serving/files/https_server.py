"""A real HTTPS server on loopback, with a certificate of its own authority."""

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trustme

AUTHORITY = trustme.CA()
CERTIFICATE = AUTHORITY.issue_cert("files.example.com", "*.cdn.example.com")


def trusting() -> ssl.SSLContext:
    """As `ssl.create_default_context`, with the authority in the place of the public ones."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


@dataclass
class Seen:
    """A request as it arrived."""

    path: str
    headers: dict[str, str] = field(repr=False)


class HttpsServer(ThreadingHTTPServer):
    """Answers as `answers[path]` says, the query not counted; counts every connection."""

    daemon_threads = True

    def __init__(self, address: str, port: int) -> None:
        super().__init__((address, port), _Handler)
        self.answers: dict[str, Callable[[_Handler], None]] = {}
        self.seen: list[Seen] = []
        self.connections = 0
        self.over = threading.Event()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        CERTIFICATE.configure_cert(self._tls)

    def process_request(self, request, client_address) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def finish_request(self, request, client_address) -> None:
        # In the connection's own thread: a caller who is slow to shake hands holds up nobody.
        with contextlib.suppress(OSError), self._tls.wrap_socket(request, server_side=True) as tls:
            super().finish_request(tls, client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """Callers break connections off here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpsServer

    def do_GET(self) -> None:
        self.server.seen.append(Seen(self.path, dict(self.headers)))
        self.close_connection = True
        self.server.answers[self.path.partition("?")[0]](self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silent."""


Answer = Callable[[_Handler], None]


def answer(body: bytes = b"", *, status: int = 200, **headers: str) -> Answer:
    """Headers as keywords, `_` for `-`; without `Content_Length` the body's own length."""

    def send(handler: _Handler) -> None:
        handler.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return send


def raw(*pieces: bytes) -> Answer:
    """These bytes, without a word of our own."""

    def send(handler: _Handler) -> None:
        for piece in pieces:
            handler.wfile.write(piece)

    return send


def dripping(head: bytes) -> Answer:
    """Then one byte every now and then, for as long as somebody listens."""

    def send(handler: _Handler) -> None:
        handler.wfile.write(head)
        while not handler.server.over.wait(0.05):
            handler.wfile.write(b"a")

    return send


@contextlib.contextmanager
def running_https(address: str = "127.0.0.1", port: int = 0) -> Iterator[HttpsServer]:
    server = HttpsServer(address, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
