"""An S3 server's front door that can be held shut: before a request is passed on, or after it
was carried out and before the answer is given. Notes every call, and can answer itself."""

import contextlib
import http.client
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOLD_SECONDS = 60


@dataclass
class Hold:
    """Catches the first request for which `matches(method, path)`; `answered` says when."""

    matches: Callable[[str, str], bool]
    answered: bool
    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def wait_here(self) -> None:
        self.reached.set()
        self.opened.wait(HOLD_SECONDS)


class S3Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.calls: list[str] = []
        self._refusal: tuple[int, bytes] | None = None
        self._holds: list[Hold] = []
        self._refusals: list[tuple[str, threading.Event]] = []

    @contextlib.contextmanager
    def holding(self, method: str, prefix: str, *, answered: bool) -> Iterator[Hold]:
        """Hold the first `method` request whose path begins with `prefix`, until the block ends."""
        hold = Hold(lambda m, p: m == method and p.startswith(prefix), answered)
        self._holds.append(hold)
        try:
            yield hold
        finally:
            hold.opened.set()
            with contextlib.suppress(ValueError):
                self._holds.remove(hold)

    @contextlib.contextmanager
    def refusing(self, prefix: str, refused: threading.Event) -> Iterator[None]:
        """Answer 503 to writes whose path begins with `prefix`, until the block ends."""
        self._refusals.append((prefix, refused))
        try:
            yield
        finally:
            self._refusals.remove((prefix, refused))

    @contextlib.contextmanager
    def answering(self, status: int, content: bytes) -> Iterator[None]:
        """Answer so whatever is asked, until the block ends."""
        self._refusal = status, content
        try:
            yield
        finally:
            self._refusal = None

    def answer(self, method: str, path: str) -> tuple[int, bytes] | None:
        """What is said without asking the server."""
        self.calls.append(f"{method} {path}")
        return (503, b"") if self.refuses(method, path) else self._refusal

    def refuses(self, method: str, path: str) -> bool:
        for prefix, refused in self._refusals:
            if method == "PUT" and path.startswith(prefix):
                refused.set()
                return True
        return False

    def catch(self, method: str, path: str, *, answered: bool) -> None:
        for hold in list(self._holds):
            if hold.answered == answered and hold.matches(method, path):
                self._holds.remove(hold)
                hold.wait_here()

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that was killed is what this proxy is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: S3Proxy

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if refusal := self.server.answer(self.command, self.path):
            self._say(*refusal)
            return
        self.server.catch(self.command, self.path, answered=False)
        upstream = http.client.HTTPConnection(self.server.upstream)
        # The Host header is signed, so it goes on as it came; Expect was met here.
        headers = {name: value for name, value in self.headers.items() if name != "Expect"}
        with contextlib.closing(upstream):
            upstream.request(self.command, self.path, body=body, headers=headers)
            answer = upstream.getresponse()
            content = answer.read()
        self.server.catch(self.command, self.path, answered=True)
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else len(content)
        self.send_header("Content-Length", str(length or 0))
        self.end_headers()
        self.wfile.write(content)

    def _say(self, status: int, content: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silent."""


@contextlib.contextmanager
def running_proxy(upstream: str) -> Iterator[S3Proxy]:
    proxy = S3Proxy(upstream)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
