"""Run a laid-out Truss's server on a socket it is given: `python launcher.py DESCRIPTOR`.

It answers the stand-in alone, which sends in each request a secret that stands in the first line
of standard input: a Truss's own server, which knows no key, takes requests from anybody.

What Truss starts in its image is `main.py`, which listens on 0.0.0.0. Here it serves the
inherited socket (on loopback, chosen by the parent) instead, and ends with its parent. As in the
image, only the Truss itself and installed packages can be imported. Runs in the Truss's folder.
"""

import hmac
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

SECRET_HEADER = "x-stand-in-secret"  # noqa: S105  # its name


def main() -> None:
    listener = socket.socket(fileno=int(sys.argv[1]))
    secret = sys.stdin.buffer.readline().strip()
    if not secret:
        sys.exit("no secret on standard input")  # the parent is gone
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.path[:] = _import_path()
    sys.meta_path.insert(0, BundledLibrary)
    _serve(listener, secret)


def _end_with_parent() -> None:
    """The parent holds the other end of standard input: its end of file is the parent's end."""
    os.read(0, 1)
    # The group, which it leads: processes that the model has started end too.
    os.killpg(os.getpid(), signal.SIGKILL)


def _import_path() -> list[str]:
    """The Truss first, installed packages next, the bundled ones last, as in the image.

    Left out: this file's folder, PYTHONPATH, and checkouts that are installed for editing.
    """
    installed = [
        entry
        for entry in sys.path[1:]
        if Path(entry).is_relative_to(sys.prefix) or Path(entry).is_relative_to(sys.base_prefix)
    ]
    return [str(Path.cwd()), *installed, str(Path.cwd() / "packages")]


class BundledLibrary:
    """Finds `truss_outbox` in the Truss before the installed one, which came with the stand-in.

    In the image there is no other than the Truss's own, which may be of another version.
    """

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG004
        if name != "truss_outbox":
            return None
        return PathFinder.find_spec(name, [str(Path.cwd()), str(Path.cwd() / "packages")])


@dataclass(frozen=True, slots=True)
class ForStandIn:
    """ASGI middleware: 401 for who does not send the secret. The model does not see it."""

    app: Callable[..., Awaitable[None]]
    secret: bytes

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan" or self._admits(scope["headers"]):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await send({"type": "http.response.start", "status": 401, "headers": []})
            await send({"type": "http.response.body", "body": b"For the stand-in alone."})

    def _admits(self, headers: list[tuple[bytes, bytes]]) -> bool:
        """Takes the secret out of the headers."""
        name = SECRET_HEADER.encode()
        sent = b"".join(value for key, value in headers if key == name)
        headers[:] = [header for header in headers if header[0] != name]
        return hmac.compare_digest(sent, self.secret)


def _serve(listener: socket.socket, secret: bytes) -> None:
    _mount(Path.cwd() / "dynamic_config")
    import uvicorn  # noqa: PLC0415  # found on the import path made above
    from truss_server import TrussServer  # noqa: PLC0415

    class Server(uvicorn.Server):
        async def serve(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
            self.config.app = ForStandIn(self.config.app, secret)  # type: ignore[arg-type]
            await super().serve([listener])

    uvicorn.Server = Server  # type: ignore[misc]  # where truss_server looks it up
    TrussServer(listener.getsockname()[1], "config.yaml").start()


def _mount(dynamic_config: Path) -> None:
    """Where a Chainlet looks up the others' addresses; fixed in its image, and there only."""
    if dynamic_config.exists():
        from truss.templates.shared import dynamic_config_resolver  # noqa: PLC0415

        dynamic_config_resolver.DYNAMIC_CONFIG_MOUNT_DIR = str(dynamic_config)


if __name__ == "__main__":
    main()
