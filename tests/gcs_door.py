"""A bucket server's front door that remembers who came, and can turn away, answer or fall silent.

Also a stand-in for Google's security token service: a few lines of ours, no proof of Google's own.
"""

import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def is_part(self) -> bool:
        return self.method == "PUT"


class Door(ThreadingHTTPServer):
    """`before(seen)` may answer in the server's place; `after` may change its answer's body."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.seen: list[Seen] = []
        self.before: Callable[[Seen], Answer | None] = lambda _: None
        self.after: Callable[[Seen, bytes], bytes | None] = lambda _, body: body

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that has gone is no matter."""

    def answer(self, seen: Seen) -> Answer | None:
        self.seen.append(seen)
        return self.before(seen) or self._pass_on(seen)

    def _pass_on(self, seen: Seen) -> Answer | None:
        upstream = http.client.HTTPConnection(self.upstream)
        with contextlib.closing(upstream):
            upstream.request(seen.method, seen.path, body=seen.body, headers=seen.headers)
            answer = upstream.getresponse()
            body = self.after(seen, answer.read())
        headers = {
            name: value.replace(f"http://{self.upstream}", self.url)
            for name, value in answer.getheaders()
            if name.lower() not in {"transfer-encoding", "connection", "content-length"}
        }
        return None if body is None else Answer(status=answer.status, body=body, headers=headers)


def quoting(seen: Seen, *, status: int) -> Answer:
    """A refusal that repeats all it was sent, in the form of Google's errors."""
    words = f"{seen.path}\n{seen.headers}\n{seen.body.decode(errors='replace')}"
    error = {"code": status, "message": words, "errors": [{"message": words}]}
    return Answer(status=status, body={"error": error, "error_description": words})


class TokenService(Door):
    """Gives a token for every OIDC token in `trusted`; `lifetime_seconds` is what it says."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9")
        self.trusted = {"first"}
        self.lifetime_seconds = 3600
        self.token_of_key = "of-key"
        self.before = self._token

    def _token(self, seen: Seen) -> Answer:
        if "generateAccessToken" in seen.path:
            token = f"acting-{seen.token}"
            return Answer(
                status=200, body={"accessToken": token, "expireTime": "2999-01-01T00:00:00Z"}
            )
        form = parse_qs(seen.body.decode())
        subject = form.get("subject_token", form.get("assertion", [""]))[0]
        if subject not in self.trusted and "assertion" not in form:
            return Answer(status=400, body={"error": "invalid_grant"})
        token = self.token_of_key if "assertion" in form else f"for-{subject}"
        body = {"access_token": token, "expires_in": self.lifetime_seconds}
        return Answer(status=200, body=body | {"token_type": "Bearer", "issued_token_type": "x"})


def key_file(token_url: str) -> str:
    """A service account's key, as Google gives it out; its tokens come from `token_url`."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return json.dumps(
        {
            "type": "service_account",
            "client_email": "me@p.iam",
            "private_key_id": "1",
            "private_key": pem.decode(),
            "token_uri": f"{token_url}/token",
        }
    )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Door

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(method=self.command, path=self.path, headers=headers, body=body)
        answer = self.server.answer(seen)
        if answer is None:
            self.close_connection = True
            return
        content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body)
        content = content.encode() if isinstance(content, str) else content
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_POST = do_DELETE = _any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silent."""


@contextlib.contextmanager
def serving(server: Door) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
