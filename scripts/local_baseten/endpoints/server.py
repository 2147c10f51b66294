"""The application's HTTP server, as one part among others."""

import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp


class HttpServer(uvicorn.Server):
    """`finish_seconds` bound what calls may take that are open when `should_exit` is set."""

    def __init__(self, application: ASGIApp, *, finish_seconds: float) -> None:
        settings = uvicorn.Config(
            application,
            lifespan="off",
            http="httptools",  # quicker than h11, which Truss takes for its own server
            proxy_headers=False,
            ws="none",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=max(1, round(finish_seconds)),
        )
        super().__init__(settings)

    async def run_on(self, listener: socket.socket) -> None:
        listener.listen(self.config.backlog)
        # Or whoever starts after a kill would wait a minute for this port: Linux keeps it for
        # connections that were open. Not before we listen: it may give a free port away again.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        await self.serve([listener])

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Left alone: they end all parts, not this one first."""
        yield
