"""A Truss's image without Docker: an environment of its own requirements, and its server in it."""

import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.tiny_truss import PROJECT
from tests.waiting import until

LAUNCHER = PROJECT / "scripts" / "local_baseten" / "trusses" / "launcher.py"
ASKING = {"x-stand-in-secret": "tests"}
"""The headers of every request to the server."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dependencies:
    """The files of requirements that Truss's Dockerfile installs, one after the other.

    They are the model's own, and those of the server which the model's do not name. `constraints`
    is the file that bounds the versions of both.
    """

    steps: list[Path]
    constraints: Path

    @property
    def requirements(self) -> list[str]:
        return [line for step in self.steps for line in read_requirements(step)]


def dependencies(truss: Path, context: Path) -> Dependencies:
    """`context` is where Truss is to write what it would send to Docker."""
    # Takes two seconds, which not every process needs.
    from truss.contexts.image_builder.serving_image_builder import ServingImageBuilderContext

    ServingImageBuilderContext.run(truss).prepare_image_build_dir(context)
    files = [context / "user_requirements.txt", context / "requirements.txt"]
    steps = [file for file in files if file.exists()]
    for step in steps:
        # Truss names an index, and this machine may have another.
        step.write_text(re.sub(r"^-i .*\n", "", step.read_text(), flags=re.MULTILINE))
    return Dependencies(steps=steps, constraints=context / "constraints.txt")


def read_requirements(file: Path) -> list[str]:
    """As they stand, without options and hashes."""
    lines = [re.split(r"\s[#\\]", line)[0].strip() for line in file.read_text().splitlines()]
    return [line for line in lines if line[:1].isalnum()]


def install(directory: Path, interpreter: str | Path, needed: Dependencies) -> Path:
    """The Python of a new environment, as the image's is made: by uv, which compares hashes."""
    uv("venv", "--python", interpreter, directory)
    python = directory / "bin" / "python"
    for step in needed.steps:
        uv("pip", "install", "--python", python, "-r", step, "-c", needed.constraints)
    return python


def uv(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "uv", "--quiet", *arguments], check=True)


@contextlib.contextmanager
def serving(python: Path, app: Path, directory: Path, **variables: str) -> Iterator[str]:
    """The address of the real server, in an environment that knows neither project nor tools.

    It stores in `bucket` in the directory, and logs there.
    """
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        (directory / "server.log").open("wb") as log,
    ):
        process = subprocess.Popen(
            [python, "-I", LAUNCHER, str(listener.fileno())],
            cwd=app,
            env={
                "OUTBOX_ROOT": (directory / "bucket").as_uri(),
                "HOME": str(directory),
                "PATH": os.defpath,
                **variables,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        process.stdin.write(ASKING["x-stand-in-secret"].encode() + b"\n")
        process.stdin.flush()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        until(lambda: _is_ready(url, process), "the model", every=0.2)
        yield url
    finally:
        process.stdin.close()
        process.wait(20)


def _is_ready(url: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the server ended before it was ready"
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"{url}/v1/models/model", headers=ASKING, timeout=5).is_success
    return False
