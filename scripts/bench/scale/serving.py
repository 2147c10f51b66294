"""A server of `connection` as a process: its address on its output, its end with its input's."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from urllib.request import Request, urlopen

import uvloop

from .. import PROJECT
from .connection import Answer, Connection, Wire

_BACKLOG = 4096
_READY_SECONDS = 120
_IS_TETHERED = "BENCH_SERVER_ENDS_WITH_INPUT"


def run_server(wire: Wire, *, port: int = 0) -> None:
    """On 127.0.0.1 and, without a `port`, a free one, until it is ended."""
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_serve(wire, port))


async def _serve(wire: Wire, port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(wire), "127.0.0.1", port, backlog=_BACKLOG)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    if _IS_TETHERED in os.environ:
        await loop.run_in_executor(None, sys.stdin.read)
        server.close()
    else:
        await server.serve_forever()


@contextlib.contextmanager
def running_server(module: str, *arguments: str) -> Iterator[str]:
    """The address of a module that calls `run_server`, in a process of its own.

    It ends with the block or with this process.
    """
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command,
        cwd=PROJECT,
        env={**os.environ, _IS_TETHERED: "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            address = process.stdout.readline().strip()
            if not address:
                raise SystemExit(f"{module} does not come up")
            yield address
        finally:
            process.stdin.close()


def ask(method: str, url: str) -> bytes:
    """The answer to a call to one of these servers about itself."""
    request = Request(url, method=method)  # noqa: S310  # our own
    with urlopen(request, timeout=_READY_SECONDS) as answer:  # noqa: S310
        data: bytes = answer.read()
        return data


def answer_json(document: object, *, status: int = 200) -> Answer:
    body = json.dumps(document, indent=1).encode() + b"\n"
    return Answer(status=status, headers={"Content-Type": "application/json"}, body=body)
