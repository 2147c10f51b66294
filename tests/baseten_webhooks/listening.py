"""The receiver on a real socket, in this process, with a clock of its own."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from baseten_webhooks.receiver.application import DeliveryOutcome, ReceivedDelivery, Receiver
from baseten_webhooks.receiver.inbox import Inbox
from tests.baseten_webhooks.deliveries import headers_of


@dataclass
class Listening:
    http: httpx.Client
    inbox: Inbox
    port: int
    secrets: list[str]
    now: list[float]
    deliveries: list[ReceivedDelivery] = field(default_factory=list)

    def post(self, body: bytes, *secrets: str) -> httpx.Response:
        return self.http.post("/", content=body, headers=headers_of(body, *secrets))

    @contextlib.contextmanager
    def connected(self, *sent: bytes) -> Iterator[socket.socket]:
        """A connection on which this was sent, and nothing else yet."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(b"".join(sent))
            yield connection

    def outcomes(self) -> list[DeliveryOutcome]:
        return [delivery.outcome for delivery in self.deliveries]


@contextlib.contextmanager
def listening_in(
    directory: Path, *, secrets: list[str], now: float, http: str = "auto"
) -> Iterator[Listening]:
    inbox, clock, deliveries = Inbox.open(directory), [now], []
    receiver = Receiver(
        inbox=inbox,
        secrets=lambda: secrets,
        on_delivery=deliveries.append,
        max_body_bytes=10_000,
        max_bodies_bytes=15_000,
        header_seconds=0.5,
        body_seconds=0.5,
        clock=lambda: clock[0],
    )
    server = receiver.server(http=http)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, args=[[listener]])
        thread.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield Listening(client, inbox, port, secrets, clock, deliveries)
        server.should_exit = True
        thread.join()
