"""A proxy that is every host behind it: it ends TLS with a certificate for the name asked for.

Who trusts `authority` and goes through the proxy reaches any name here; what arrives is kept as it
came.
"""

import contextlib
import functools
import http.server
import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import trustme

_BODY = b'{"access_token": "token", "token_type": "Bearer", "expires_in": 3600}'
"""An object's, and a token service's."""
_CREDENTIAL = re.compile(r"Credential=([^,]+)")


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """A request as the host saw it."""

    tunnel: str | None
    """The host and port that CONNECT asked for; None without TLS."""
    proxy_authorization: str | None
    server_name: str | None
    """That the certificate had to be for."""
    method: str
    url: str
    headers: dict[str, str]

    @property
    def scope(self) -> tuple[str, str, str] | str | None:
        """Key id, region and service that it is signed for; of Google's its whole token."""
        signed = self.headers.get("authorization")
        if signed and (found := _CREDENTIAL.search(signed)):
            key_id, _, region, service, _ = found[1].rsplit("/", 4)
            return key_id, region, service
        return signed


class EveryHost(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, authority: trustme.CA) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.arrived: list[Arrived] = []
        self._authority = authority

    @functools.cache  # noqa: B019  # it lives as long as a test
    def certificate(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(name).configure_cert(context)
        return context


class _Handler(http.server.BaseHTTPRequestHandler):
    server: EveryHost
    protocol_version = "HTTP/1.1"
    tunnel: str | None = None
    proxy_authorization: str | None = None
    server_name: str | None = None

    def do_CONNECT(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.tunnel = self.path
        self.proxy_authorization = self.headers.get("proxy-authorization")
        context = self.server.certificate(self.path.rsplit(":", 1)[0])
        context.sni_callback = self._note_name
        try:
            self.request = context.wrap_socket(self.request, server_side=True)
        except (ssl.SSLError, ConnectionError):  # who came does not trust the authority
            self.close_connection = True
            return
        self.setup()  # the same connection goes on inside
        self.close_connection = False

    def finish(self) -> None:
        super().finish()
        if self.tunnel is not None:  # the server closes what it accepted, not what TLS made of it
            self.request.close()

    def _note_name(self, _: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        self.server_name = name

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.arrived.append(
            Arrived(
                tunnel=self.tunnel,
                proxy_authorization=self.proxy_authorization,
                server_name=self.server_name,
                method=self.command,
                url=self.path,
                headers=headers,
            )
        )
        body = _BODY if self.command in {"GET", "POST"} else b""
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.send_header("etag", '"0"')
        self.send_header("last-modified", "Thu, 26 Nov 2026 00:00:00 GMT")
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815  # so it is called

    def log_message(self, *_: object) -> None:
        return


@contextlib.contextmanager
def every_host(authority: trustme.CA) -> Iterator[EveryHost]:
    with EveryHost(authority) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
