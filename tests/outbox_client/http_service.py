"""FakeService over HTTP, for the official SDK; answers can be scripted to go wrong first."""

import contextlib
import itertools
import json
import re
import threading
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from outbox_client.errors import UnknownRequestError
from tests.outbox_client.fake_service import FakeService

API_KEY = "a-secret-key-7f3a"


@dataclass
class Faults:
    """What the next requests, or submits, are answered with: (status, body) pairs; and what was
    asked. The answer to a submit in `lost` (counted from 1) never leaves, though it was accepted.
    """

    queue: list[tuple[int, str]] = field(default_factory=list)
    submits: list[tuple[int, str]] = field(default_factory=list)
    lost: Container[int] = ()
    accepted: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    paths: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    service: FakeService
    faults: Faults

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if not self._goes_on():
            return
        if self.path.endswith("/wake"):
            self._answer(202, {})
            return
        if self.path.endswith("/predict"):
            self._answer(404, {"error": "no synchronous calls here"})
            return
        if self.faults.submits:
            status, text = self.faults.submits.pop(0)
            self._send(status, text.encode())
            return
        request_id = self.service.submit(json.loads(body))
        if next(self.faults.accepted) in self.faults.lost:
            self.close_connection = True
        else:
            self._answer(201, {"request_id": request_id})

    def do_GET(self) -> None:
        if not self._goes_on():
            return
        if self.path.endswith("async_queue_status"):
            queue = self.service.queue_status()
            self._answer(
                200,
                {
                    "model_id": "m",
                    "deployment_id": "d",
                    "num_queued_requests": queue.queued,
                    "num_in_progress_requests": queue.in_progress,
                },
            )
            return
        with self._known() as request_id:
            status = self.service.status(request_id)
            answer = {
                "request_id": request_id,
                "model_id": "m",
                "deployment_id": "d",
                "status": status.status,
                "webhook_status": "NO_WEBHOOK_PROVIDED",
                "created_at": "2025-03-27T00:17:51.578558Z",
                "status_at": "2025-03-27T00:17:51.578558Z",
                "errors": [{"code": c, "message": m} for c, m in status.errors],
            }
            self._answer(200, answer)

    def do_DELETE(self) -> None:
        if not self._goes_on():
            return
        with self._known() as request_id:
            canceled = self.service.cancel(request_id)
            self._answer(200, {"request_id": request_id, "canceled": canceled, "message": ""})

    @contextlib.contextmanager
    def _known(self) -> Iterator[str]:
        match = re.fullmatch(r"/async_request/([^/]+)", self.path)
        assert match is not None
        try:
            yield match[1]
        except UnknownRequestError:
            self._answer(404, {"error": "unknown"})

    def _goes_on(self) -> bool:
        self.faults.paths.append(self.path)
        if self.faults.queue:
            status, text = self.faults.queue.pop(0)
            self._send(status, text.encode())
            return False
        if self.headers.get("authorization") != f"Bearer {API_KEY}":
            self._answer(401, {"error": f"bad key {self.headers.get('authorization')}"})
            return False
        return True

    def _answer(self, status: int, document: Any) -> None:
        self._send(status, json.dumps(document).encode())

    def _send(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        return


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """A client that was killed is no fault of the service's."""


@contextlib.contextmanager
def running_service(service: FakeService, faults: Faults) -> Iterator[str]:
    """Yields the base URL."""
    handler = type("Handler", (_Handler,), {"service": service, "faults": faults})
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
