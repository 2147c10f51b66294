"""One HTTPS request to an address that was checked, over before its deadline.

The standard library's client, because it cannot do what must not happen: it follows no redirect,
keeps no cookie, reads no proxy from the environment, decodes no body.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPResponse, HTTPSConnection
from typing import Self

from ...stores.streams import CHUNK_BYTES
from .addresses import Target

Connect = Callable[[tuple[str, int], float], socket.socket]

_PORT = 443
_CONNECT_SECONDS = 5.0
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}


def open_socket(address: tuple[str, int], timeout_seconds: float) -> socket.socket:
    return socket.create_connection(address, timeout_seconds)


class PinnedConnection(HTTPSConnection):
    """Connects to `address` alone, whatever the host's name resolves to by now.

    The certificate must be the host's all the same.
    """

    def __init__(
        self, host: str, address: str, *, deadline: float, tls: ssl.SSLContext, connect: Connect
    ) -> None:
        super().__init__(host, _PORT, context=tls)
        self._address = address
        self._deadline = deadline
        self._tls = tls
        self._open_socket = connect
        self._tls_socket: ssl.SSLSocket | None = None
        self._is_cut = False

    def connect(self) -> None:
        """Raises OSError, of which ssl.SSLCertVerificationError is one."""
        remaining = self._deadline - time.monotonic()
        raw = self._open_socket(
            (self._address, _PORT), max(0.001, min(_CONNECT_SECONDS, remaining))
        )
        raw.settimeout(max(0.001, remaining))
        self.sock = self._tls_socket = self._tls.wrap_socket(
            raw, server_hostname=self.host, do_handshake_on_connect=False,
            suppress_ragged_eofs=False,
        )  # fmt: skip
        # The timer may have run out before there was a socket to cut.
        if self._is_cut:
            raise TimeoutError
        self._tls_socket.do_handshake()

    @contextmanager
    def cut_at_deadline(self) -> Iterator[Self]:
        """At the deadline, reading and writing raise an OSError.

        A socket's own time limit starts anew with each byte that a slow server sends.
        """
        timer = threading.Timer(max(0.0, self._deadline - time.monotonic()), self._cut)
        timer.daemon = True
        timer.start()
        try:
            yield self
        finally:
            timer.cancel()
            self.close()

    def ask(self, target: Target) -> HTTPResponse:
        """Raises OSError and http.client.HTTPException."""
        self.request("GET", target.path, headers=_HEADERS)
        return self.getresponse()

    def _cut(self) -> None:
        self._is_cut = True
        if self._tls_socket is not None:
            with suppress(OSError):
                # Not SSLSocket's own, which takes the encryption away under the reader's hands.
                socket.socket.shutdown(self._tls_socket, socket.SHUT_RDWR)


def read_body(answer: HTTPResponse) -> Iterator[bytes]:
    """Whatever has come, as it comes. Raises OSError and http.client.HTTPException."""
    while chunk := answer.read1(CHUNK_BYTES):
        yield chunk
    if answer.length:
        raise ConnectionResetError
