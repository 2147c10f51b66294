"""Run a laid-out Truss's server on a socket it is given: `python launcher.py DESCRIPTOR`.

What Truss starts in its image is `main.py`, which listens on 0.0.0.0. Here it serves the
inherited socket (on loopback, chosen by the parent) instead, and ends with its parent. As in the
image, only the Truss itself and installed packages can be imported. Runs in the Truss's folder.
"""

import os
import signal
import socket
import sys
import threading
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path


def main() -> None:
    listener = socket.socket(fileno=int(sys.argv[1]))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.path[:] = _import_path()
    sys.meta_path.insert(0, BundledLibrary)
    _serve(listener)


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


def _serve(listener: socket.socket) -> None:
    _mount(Path.cwd() / "dynamic_config")
    import uvicorn  # noqa: PLC0415  # found on the import path made above
    from truss_server import TrussServer  # noqa: PLC0415

    class Server(uvicorn.Server):
        async def serve(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
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
