"""An S3 server's front door: sees every request, and may answer it, or lose the answer, itself."""

import contextlib
import http.client
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def access_key_id(self) -> str | None:
        found = re.search("Credential=([^/]+)/", self.headers.get("Authorization", ""))
        return found and found[1]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What S3 answers in the place of the server behind."""

    status: int
    code: str
    region: str | None = None

    def body(self) -> bytes:
        region = f"<Region>{self.region}</Region>" if self.region else ""
        message = f"<Code>{self.code}</Code><Message>no</Message>{region}"
        if self.code.endswith("Exception") or self.code == "InvalidIdentityToken":  # of STS
            return f"<ErrorResponse><Error>{message}</Error></ErrorResponse>".encode()
        return f"<Error>{message}</Error>".encode()


class FrontDoor(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.upstream = urlsplit(upstream).netloc
        self.seen: list[Request] = []
        self.refuse: Callable[[Request], Refusal | None] = lambda _: None
        self.alter: Callable[[Request], bytes] = lambda request: request.body
        self.hidden_headers = {"Expect"}
        self.lose_answer: Callable[[Request], bool] = lambda _: False

    def count(self, method: str, part_of_path: str = "") -> int:
        return sum(r.method == method and part_of_path in r.path for r in self.seen)

    def handle_error(self, request, client_address) -> None:
        """A client that has gone is no matter."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FrontDoor

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(self.command, self.path, dict(self.headers), body)
        self.server.seen.append(request)
        refusal = self.server.refuse(request)
        if refusal is not None:
            self._answer(refusal.status, {"Content-Type": "application/xml"}, refusal.body())
            return
        upstream = http.client.HTTPConnection(self.server.upstream)
        hidden = self.server.hidden_headers
        headers = {name: value for name, value in request.headers.items() if name not in hidden}
        with contextlib.closing(upstream):
            body = self.server.alter(request)
            upstream.request(self.command, self.path, body=body, headers=headers)
            answer = upstream.getresponse()
            content = answer.read()
        if self.server.lose_answer(request):
            self.close_connection = True
            return
        self._answer(answer.status, dict(answer.getheaders()), content)

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response_only(status)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else len(content)
        for name, value in headers.items():
            if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815

    def log_message(self, format, *args) -> None:  # noqa: A002
        """Silent."""


@contextlib.contextmanager
def running_front_door(upstream: str) -> Iterator[FrontDoor]:
    with FrontDoor(upstream) as door:
        thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield door
        finally:
            door.shutdown()
            thread.join()
