"""Run a laid-out Truss's server on a socket it is given: `python launcher.py DESCRIPTOR`.

It answers the stand-in alone, which sends in each request a secret that stands in the first line
of standard input: a Truss's own server, which knows no key, takes requests from anybody. It logs
where the model is when it takes long, and what of a result cannot be written as JSON.

What Truss starts in its image is `main.py`, which listens on 0.0.0.0. Here it serves the
inherited socket (on loopback, chosen by the parent) instead, and ends with its parent. As in the
image, only the Truss itself and installed packages can be imported. Runs in the Truss's folder, on
any Python that Truss serves, with nothing of this package.
"""

import asyncio
import hmac
import inspect
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

SECRET_HEADER = "x-stand-in-secret"  # noqa: S105  # its name

_LONG_SECONDS = 10.0
_LONGER = 6
"""After 10 seconds, a minute, six minutes and so on, it is said where the model is."""
_DEPTH = 20


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
    def find_spec(name: str, path: object = None, target: object = None) -> "ModuleSpec | None":  # noqa: ARG004
        if name != "truss_outbox":
            return None
        return PathFinder.find_spec(name, [str(Path.cwd()), str(Path.cwd() / "packages")])


@dataclass(frozen=True)  # without slots: Python 3.9 has none
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


@dataclass(eq=False)
class Running:
    """What the model is at, and after how many seconds that is told next."""

    what: str
    request_id: str
    since: float = field(default_factory=time.monotonic)
    next_seconds: float = _LONG_SECONDS


@dataclass
class LongRuns:
    """Logs what runs for long, with the lines that the Truss's own code is at."""

    app: Path
    loop: Any = None
    _running: Any = field(default_factory=set)

    @contextmanager
    def over(self, what: str, request_id: str = "") -> Iterator[None]:
        running = Running(what, request_id)
        self._running.add(running)
        try:
            yield
        finally:
            self._running.discard(running)

    def keep_looking(self) -> None:
        while True:
            time.sleep(1)
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        for running in tuple(self._running):
            if now - running.since >= running.next_seconds:
                extra = {"stack": self._stacks()}
                if running.request_id:
                    extra["request_id"] = running.request_id
                text = "%s has run for %d s; the model is at:"
                logging.getLogger(__name__).info(
                    text, running.what, running.next_seconds, extra=extra
                )
                running.next_seconds *= _LONGER

    def _stacks(self) -> str:
        """As in a traceback, of threads and tasks that are in the Truss's own code."""
        tasks = asyncio.all_tasks(self.loop) if self.loop else ()
        stacks = [_stack_of(task.get_coro()) for task in tasks]
        # The innermost comes last: a thread is what a task waits for.
        stacks += [traceback.extract_stack(one) for one in sys._current_frames().values()]  # noqa: SLF001
        own = [stack for stack in stacks if any(self._is_own(frame) for frame in stack)]
        return "".join(line for stack in own for line in traceback.format_list(stack))

    def _is_own(self, frame: traceback.FrameSummary) -> bool:
        path = Path(frame.filename)
        return path.is_relative_to(self.app / "model") or path.is_relative_to(self.app / "packages")


def _stack_of(coroutine: Any) -> traceback.StackSummary:
    """Down to what it waits for."""
    frames = []
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        code = frame.f_code
        frames.append(traceback.FrameSummary(code.co_filename, frame.f_lineno, code.co_name))
        coroutine = coroutine.cr_await
    return traceback.StackSummary.from_list(frames)


@dataclass(frozen=True)
class Watched:
    """ASGI middleware: each request that is sent to the model is among `long_runs` meanwhile."""

    app: Callable[..., Awaitable[None]]
    long_runs: LongRuns

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope.get("method") != "POST":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = headers.get(b"x-baseten-request-id", b"").decode(errors="replace")
        with self.long_runs.over("a request", request_id):
            await self.app(scope, receive, send)


def _serve(listener: socket.socket, secret: bytes) -> None:
    _mount(Path.cwd() / "dynamic_config")
    import truss_server  # noqa: PLC0415  # found on the import path made above
    import uvicorn  # noqa: PLC0415

    long_runs = LongRuns(Path.cwd())

    class Server(uvicorn.Server):
        async def serve(self, sockets: "list[socket.socket] | None" = None) -> None:  # noqa: ARG002
            long_runs.loop = asyncio.get_running_loop()
            watched = Watched(self.config.app, long_runs)  # type: ignore[arg-type]
            self.config.app = ForStandIn(watched, secret)
            logging.getLogger("uvicorn.access").addFilter(has_failed)
            await super().serve([listener])

    uvicorn.Server = Server  # type: ignore[misc]  # where truss_server looks it up
    _explain_results(truss_server.BasetenEndpoints)
    server = truss_server.TrussServer(listener.getsockname()[1], "config.yaml")
    wrapper = server._model  # noqa: SLF001
    load = wrapper.load

    def watched_load() -> None:
        with long_runs.over("load"):
            load()

    wrapper.load = watched_load
    threading.Thread(target=long_runs.keep_looking, daemon=True).start()
    server.start()


def has_failed(record: logging.LogRecord) -> bool:
    """Of a line about an answer; a good one is told by who has called."""
    *_, status = record.args or (500,)
    return not isinstance(status, int) or status >= 400


def _explain_results(endpoints: Any) -> None:
    """An error about a result that cannot be written says which part of it, and whose it is."""
    serialize = endpoints._serialize_result  # noqa: SLF001

    def explaining(self: Any, result: Any, is_binary: bool, span: Any) -> Any:
        try:
            return serialize(self, result, is_binary, span)
        except Exception as error:
            if not is_binary and hasattr(error, "add_note"):  # since Python 3.11
                error.add_note(_about(result, self._model._model))  # noqa: SLF001
            raise

    endpoints._serialize_result = explaining  # noqa: SLF001


def _about(result: Any, model: Any) -> str:
    from _truss_shared.serialization import DeepNumpyEncoder  # noqa: PLC0415  # of the Truss server

    names = [name for name in ("postprocess", "predict") if hasattr(model, name)]
    method = inspect.unwrap(getattr(model, names[0]))
    code = getattr(method, "__func__", method).__code__
    found = unwritable(result, DeepNumpyEncoder)
    place = f'  File "{code.co_filename}", line {code.co_firstlineno}, in {code.co_name}'
    return f"{found}\n{place}" if names else found


def unwritable(result: Any, encoder: Any) -> str:
    """Where in a result the value is that JSON has no form for, and its type; never the value."""
    place = "result"
    for _ in range(_DEPTH):
        is_list = isinstance(result, (list, tuple))
        pairs: Any = enumerate(result) if is_list else getattr(result, "items", tuple)()
        for name, part in pairs:
            try:
                json.dumps(part, cls=encoder)
            except (TypeError, ValueError):
                place, result = f"{place}[{name!r}]", part
                break
        else:
            break
    return f"{place} is of type {type(result).__name__}"


def _mount(dynamic_config: Path) -> None:
    """Where a Chainlet looks up the others' addresses; fixed in its image, and there only."""
    if dynamic_config.exists():
        from truss.templates.shared import dynamic_config_resolver  # noqa: PLC0415

        dynamic_config_resolver.DYNAMIC_CONFIG_MOUNT_DIR = str(dynamic_config)


if __name__ == "__main__":
    main()
