"""A server that answers as Baseten would, and keeps what it was asked; as a proxy, the host."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

QUEUE = {"model_id": "m", "deployment_id": "d"} | dict.fromkeys(
    ("num_queued_requests", "num_in_progress_requests"), 0
)


@dataclass
class Log:
    """`asked` are (method, path, body) of each request, in order."""

    url: str = ""
    asked: list[tuple[str, str, Any]] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return [f"{method} {path}" for method, path, _ in self.asked]


class _Handler(BaseHTTPRequestHandler):
    log: Log

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.log.asked.append(("POST", self.path, json.loads(body) if body else None))
        if self.path.endswith("/wake"):
            self._answer(202, None)
        else:
            self._answer(201, {"request_id": f"request-{len(self.log.asked)}"})

    def do_GET(self) -> None:
        self.log.asked.append(("GET", self.path, None))
        self._answer(200, QUEUE)

    def do_CONNECT(self) -> None:
        self.log.asked.append(("CONNECT", self.path, None))
        self._answer(502, None)

    def _answer(self, status: int, document: Any) -> None:
        data = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        return


@contextlib.contextmanager
def logging_server() -> Iterator[Log]:
    log = Log()
    handler = type("Handler", (_Handler,), {"log": log})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        log.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield log
        finally:
            server.shutdown()
            thread.join()
