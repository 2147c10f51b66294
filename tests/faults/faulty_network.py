"""A bad network, and a bad day, between the model and an S3 server."""

import contextlib
import http.client
import os
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.faults.fault_plan import Fault, Plan, without_attempt

_HOP_BY_HOP = {"transfer-encoding", "connection", "content-length"}


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Strike(NamedTuple):
    method: str
    path: str
    number: int
    fault: Fault | None


class FaultyNetwork(ThreadingHTTPServer):
    """`strikes` are all calls, with what happened to them."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, upstream: str, plan: Plan, *, root: str, stall_seconds: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.closing = threading.Event()
        self.strikes: list[Strike] = []
        self.stall_seconds = stall_seconds
        self._plan, self._root = plan, root
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def fault(self, method: str, path: str) -> Fault | None:
        name = without_attempt(path.removeprefix(self._root))
        with self._lock:
            number = self._counts[method, name]
            self._counts[method, name] += 1
            fault = self._plan.fault(method, name, number)
            self.strikes.append(Strike(method, name, number, fault))
        return fault

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that has given up is what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: FaultyNetwork

    def setup(self) -> None:
        super().setup()
        self._upstream = http.client.HTTPConnection(self.server.upstream)

    def finish(self) -> None:
        self._upstream.close()
        with contextlib.suppress(OSError):
            super().finish()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        fault = self.server.fault(self.command, self.path)
        self._reply(fault, self._carried_out(fault, body))

    def _carried_out(self, fault: Fault | None, body: bytes) -> Answer | None:
        """What happens on the way there."""
        match fault:
            case Fault.SLOW_DOWN:
                return _refusal(503, "SlowDown")
            case Fault.INTERNAL_ERROR:
                return _refusal(500, "InternalError")
            case Fault.RESET_BEFORE:
                return None
            case Fault.RESET_DURING if body:
                self._pass_half_on(body)
                return None
            case Fault.LATE:
                self.server.closing.wait(self.server.stall_seconds)
            case Fault.DUPLICATED:
                self._pass_on(body)
        return self._pass_on(body)

    def _reply(self, fault: Fault | None, answer: Answer | None) -> None:
        """What happens on the way back."""
        match fault, answer:
            case _, None:
                self._reset()
            case Fault.CONFLICT, _ if "If-None-Match" in self.headers:
                self._give(_refusal(409, "ConditionalRequestConflict"))
            case ((Fault.LATE | Fault.LOST_REPLY | Fault.CONFLICT), _):
                self._reset()
            case Fault.RESET_DURING, Answer():
                self._give_half(answer)
                self._reset()
            case Fault.TRUNCATED, Answer():
                self._give_half(answer)
                self.close_connection = True
            case Fault.STALLED, Answer():
                self.server.closing.wait(self.server.stall_seconds)
                self._give(answer)
            case _, Answer():
                self._give(answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815

    def _pass_on(self, body: bytes) -> Answer:
        # The Host header is signed, so it goes on as it came; Expect was met here.
        headers = {name: value for name, value in self.headers.items() if name != "Expect"}
        self._upstream.request(self.command, self.path, body=body, headers=headers)
        answer = self._upstream.getresponse()
        # A HEAD's answer has the object's length, and no body.
        dropped = _HOP_BY_HOP - ({"content-length"} if self.command == "HEAD" else set())
        kept = [(n, v) for n, v in answer.getheaders() if n.lower() not in dropped]
        return Answer(answer.status, kept, answer.read())

    def _pass_half_on(self, body: bytes) -> None:
        self._upstream.putrequest(self.command, self.path, skip_host=True)
        for name, value in self.headers.items():
            if name != "Expect":
                self._upstream.putheader(name, value)
        self._upstream.endheaders(body[: len(body) // 2])
        self._upstream.close()

    def _give(self, answer: Answer) -> None:
        self.wfile.write(_head(answer) + answer.body)

    def _give_half(self, answer: Answer) -> None:
        whole = _head(answer) + answer.body
        half = len(answer.body) // 2
        self.wfile.write(whole[:-half] if half else whole[: len(whole) // 2])

    def _reset(self) -> None:
        """Not the orderly end of a connection but its loss."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silent."""


def _head(answer: Answer) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {http.client.responses.get(answer.status, '')}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    if not any(name.lower() == "content-length" for name, _ in answer.headers):
        lines.append(f"Content-Length: {len(answer.body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def _refusal(status: int, code: str) -> Answer:
    body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
    return Answer(status, [("Content-Type", "application/xml")], body)


@contextlib.contextmanager
def faulty_network(
    upstream: str, plan: Plan, *, root: str, stall_seconds: float
) -> Iterator[FaultyNetwork]:
    """`root` is the path below which calls are told apart: `/bucket/prefix`."""
    network = FaultyNetwork(upstream, plan, root=root, stall_seconds=stall_seconds)
    thread = threading.Thread(target=network.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield network
    finally:
        network.closing.set()
        network.shutdown()
        thread.join()
        network.server_close()
