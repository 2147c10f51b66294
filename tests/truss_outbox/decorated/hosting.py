"""Many Truss servers in one process: `python hosting.py DIRECTORY ADDRESSES`, with Truss's own
server to import.

Each folder of DIRECTORY holds a `model/model.py`, and `outbox.json`: its `model_metadata.outbox`.
The servers' addresses, by folder, are written to the file ADDRESSES, as JSON, when all are ready.
Ends with its standard input.
"""

import asyncio
import json
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import uvicorn
from prometheus_client import REGISTRY
from truss.base.truss_config import TrussConfig
from truss_server import TrussServer  # type: ignore[import-not-found]


def application(directory: Path, port: int) -> Any:
    config = TrussConfig(model_name="shape").to_dict(verbose=True)
    section = json.loads((directory / "outbox.json").read_text())
    config |= {
        "model_module_dir": str(directory / "model"),
        "model_metadata": {"outbox": section},
    }
    del config["bundled_packages_dir"]
    config["runtime"]["predict_concurrency"] = 4
    server = TrussServer(port, config)
    return server, server.create_application()


async def main() -> None:
    # Each server unregisters the collectors that all share.
    REGISTRY.unregister = lambda _: None  # type: ignore[method-assign]
    running, addresses, trusses = [], {}, []
    for directory in sorted(Path(sys.argv[1]).iterdir()):
        listener = socket.create_server(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        truss, app = application(directory, port)
        server = uvicorn.Server(uvicorn.Config(app, http="h11", loop="uvloop", log_level="warning"))
        truss._server = server
        running.append(asyncio.create_task(server.serve([listener])))
        trusses.append(truss)
        addresses[directory.name] = f"http://127.0.0.1:{port}"
    while not all(truss._model.ready or truss._model.load_failed for truss in trusses):
        await asyncio.sleep(0.02)
    written = Path(f"{sys.argv[2]}.new")
    written.write_text(json.dumps(addresses))
    written.rename(sys.argv[2])
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    threading.Thread(
        target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set)), daemon=True
    ).start()
    await ended.wait()


asyncio.run(main())
