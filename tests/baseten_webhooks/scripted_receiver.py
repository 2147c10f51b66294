"""A receiver that behaves as told, one connection after the other, on a real socket."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST


@dataclass
class Received:
    path: str
    headers: Message
    body: bytes


@dataclass
class ScriptedReceiver:
    """Acts by `script`, whose last word it repeats: a status, or one of `_ACTS`."""

    script: Sequence[str]
    port: int
    received: list[Received] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def url(self, scheme: str = "http", path: str = "/hook?token=secret-token") -> str:
        return f"{scheme}://localhost:{self.port}{path}"

    def serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self.received.append(_read(connection))
            word = self.script[min(len(self.received), len(self.script)) - 1]
            act = _ACTS.get(word)
            if act is None:
                connection.sendall(_answer(int(word), location=self.url(path="/elsewhere")))
            else:
                act(connection, self.over)


@contextlib.contextmanager
def receiving(*script: str, tls: ssl.SSLContext | None = None) -> Iterator[ScriptedReceiver]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver = ScriptedReceiver(script, listener.getsockname()[1])
        threads = [threading.Thread(target=_accept, args=[listener, receiver, tls])]
        threads[0].start()
        try:
            yield receiver
        finally:
            receiver.over.set()
            listener.shutdown(socket.SHUT_RDWR)
            threads[0].join()


def _accept(
    listener: socket.socket, receiver: ScriptedReceiver, tls: ssl.SSLContext | None
) -> None:
    serving = []
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            break
        serving.append(threading.Thread(target=_serve, args=[receiver, connection, tls]))
        serving[-1].start()
    for thread in serving:
        thread.join()


def _serve(
    receiver: ScriptedReceiver, connection: socket.socket, tls: ssl.SSLContext | None
) -> None:
    with contextlib.suppress(OSError):
        receiver.serve(tls.wrap_socket(connection, server_side=True) if tls else connection)
    connection.close()


def _read(connection: socket.socket) -> Received:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    line, _, headers = head.partition(b"\r\n")
    parsed = BytesHeaderParser().parsebytes(headers)
    while len(body) < int(parsed["content-length"]):
        body += _some(connection)
    return Received(line.split()[1].decode(), parsed, body)


def _some(connection: socket.socket) -> bytes:
    if data := connection.recv(65_536):
        return data
    raise ConnectionError


def _answer(status: int, *, location: str) -> bytes:
    headers = f"location: {location}\r\ncontent-length: 0\r\n"
    return f"HTTP/1.1 {status} X\r\n{headers}\r\n".encode()


def _stall(connection: socket.socket, over: threading.Event) -> None:
    over.wait(60)


def _late(connection: socket.socket, over: threading.Event) -> None:
    over.wait(0.5)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


def _drip(connection: socket.socket, over: threading.Event) -> None:
    """A byte now and then: no single read times out."""
    for byte in b"HTTP/1.1 200 OK\r\nx-slow: " + b"x" * 1_000:
        connection.sendall(bytes([byte]))
        if over.wait(0.1):
            break


def _endless(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not over.is_set():
        connection.sendall(b"x" * 65_536)


def _reset(connection: socket.socket, over: threading.Event) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


_ACTS: dict[str, Callable[[socket.socket, threading.Event], None]] = {
    "stall": _stall,
    "late": _late,
    "drip": _drip,
    "endless": _endless,
    "reset": _reset,
    "hang up": lambda connection, over: None,
    "garbage": lambda connection, over: connection.sendall(b"\x16\x03\x01 garbage\r\n\r\n"),
}
