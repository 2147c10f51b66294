"""The receiver as a process, on a socket of its own."""

import contextlib
import socket
from collections.abc import Callable

import uvicorn

from .application import Receiver

_STOP_SECONDS = 5


def listen(receiver: Receiver, *, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; what was being stored then is stored and answered.

    `on_ready` is told the base URL. Raises OSError: the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.closing(socket.create_server((host, port), family=family)) as listener:
        name = f"[{host}]" if family is socket.AF_INET6 else host
        on_ready(f"http://{name}:{listener.getsockname()[1]}")
        server = uvicorn.Server(
            uvicorn.Config(
                receiver.application(),
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
