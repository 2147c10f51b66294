"""Something that answers in the place of a server with a page for people: a proxy, a login page."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = (
    b"<!DOCTYPE html>\n<html><head><title>Blocked</title></head><body><p>Ask us</p></body></html>"
)


@dataclass
class WebPages:
    """`url` is its address; every answer has `status`, and a CONNECT too."""

    url: str
    status: int = 200
    body: bytes = PAGE
    content_type: str = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    pages: WebPages
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.pages.asked.append(f"{self.command} {self.path}")
        self.send_response(self.pages.status)
        if self.pages.status == 302 and not self.path.endswith("/login"):
            self.send_header("location", f"{self.pages.url}/login")
        self.send_header("content-type", self.pages.content_type)
        self.send_header("content-length", str(len(self.pages.body)))
        for name, value in self.pages.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.pages.body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_CONNECT = _answer  # noqa: N815

    def log_message(self, *_: object) -> None:
        return


@contextlib.contextmanager
def web_pages() -> Iterator[WebPages]:
    pages = WebPages("")
    handler = type("Handler", (_Handler,), {"pages": pages})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        pages.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield pages
        finally:
            server.shutdown()
            thread.join()
