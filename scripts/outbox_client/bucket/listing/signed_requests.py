"""Asking S3 for less of the processor's time than its SDK takes: signed by it, sent without it."""

import contextlib
import functools
import ssl
import weakref
from base64 import b64encode
from collections import deque
from collections.abc import Iterable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult, unquote, urlsplit

from ..route import S3Route

_CONNECT_SECONDS, _READ_SECONDS = 5.0, 30.0


class SignedRequests:
    """Over connections that are kept, by the route's proxy if it has one. Safe to use from several
    threads."""

    def __init__(self, route: S3Route) -> None:
        self._route = route
        self._address = urlsplit(route.url)
        self._proxy = urlsplit(route.proxy_url) if route.proxy_url else None
        self._kept = deque[HTTPConnection]()
        weakref.finalize(self, _close, self._kept)

    def get(self, query: str) -> tuple[int, bytes]:
        """The status and the body of what the bucket answers to a question about itself.

        Raises OSError, HTTPException, and StoreError where there are no credentials.
        """
        address = self._address._replace(path=self._address.path or "/", query=query)
        headers = self._signature(address.geturl())
        target = address._replace(scheme="", netloc="").geturl()
        if self._proxy and address.scheme == "http":
            target, headers = address.geturl(), headers | _login(self._proxy)
        with contextlib.suppress(IndexError):
            kept = self._kept.pop()
            # It may have been closed meanwhile.
            with contextlib.suppress(OSError, HTTPException):
                return self._answer(kept, target, headers)
        return self._answer(self._connection(), target, headers)

    def _answer(
        self, connection: HTTPConnection, target: str, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        try:
            if connection.sock is None:
                connection.connect()
            connection.sock.settimeout(_READ_SECONDS)
            connection.request("GET", target, headers=headers)
            answer = connection.getresponse()
            status, body = answer.status, answer.read()
        except BaseException:
            connection.close()
            raise
        if connection.sock is not None:
            self._kept.append(connection)
        return status, body

    def _connection(self) -> HTTPConnection:
        """A new one, which connects when it is used."""
        to, address, proxy = self._proxy or self._address, self._address, self._proxy
        if to.hostname is None or (proxy and proxy.scheme != "http"):
            raise OSError("obstore knows more ways")
        port = to.port or (80 if proxy else None)
        if address.scheme == "http":
            return HTTPConnection(to.hostname, port, timeout=_CONNECT_SECONDS)
        connection = HTTPSConnection(
            to.hostname, port, timeout=_CONNECT_SECONDS, context=self._trusted
        )
        if proxy:
            connection.set_tunnel(str(address.hostname), address.port, _login(proxy))
        return connection

    @functools.cached_property
    def _trusted(self) -> ssl.SSLContext:
        context, bundle = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), self._route.ca_bundle
        context.load_verify_locations(*((None, bundle) if bundle.is_dir() else (bundle,)))
        return context

    def _signature(self, url: str) -> dict[str, str]:
        """The headers that have it."""
        from botocore.auth import S3SigV4Auth  # noqa: PLC0415  # 0.1 seconds
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415
        from botocore.credentials import Credentials  # noqa: PLC0415

        found = self._route.credentials()
        credentials = Credentials(
            found["access_key_id"], found["secret_access_key"], found.get("token")
        )
        request = AWSRequest("GET", url)
        S3SigV4Auth(credentials, "s3", self._route.region).add_auth(request)
        return dict(request.headers.items())


def _close(connections: Iterable[HTTPConnection]) -> None:
    for one in connections:
        one.close()


def _login(proxy: SplitResult) -> dict[str, str]:
    login = unquote(proxy.netloc.rpartition("@")[0])
    if not login:
        return {}
    login += "" if ":" in login else ":"
    return {"proxy-authorization": f"Basic {b64encode(login.encode()).decode()}"}
