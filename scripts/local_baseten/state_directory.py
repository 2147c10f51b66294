"""What the stand-in keeps on disk, and tells other programs."""

import contextlib
import json
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.local_baseten import tether
from scripts.local_baseten.errors import StateDirectoryInUseError


@dataclass(frozen=True, kw_only=True, slots=True)
class Processes:
    """What runs, by process id; as JSON in `processes.json`.

    `model_url` is the Truss server itself (its `/metrics`), empty before its first start;
    `failed_starts` counts those since it was last ready.
    """

    base_url: str
    stand_in: int
    bucket: int | None
    truss_server: int | None
    model_url: str
    model_is_ready: bool
    failed_starts: int


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """`queue.sqlite3`, the laid-out Truss with its HOME and TMPDIR, and two files for others."""

    path: Path

    @property
    def queue(self) -> Path:
        return self.path / "queue.sqlite3"

    @property
    def webhook_secrets(self) -> Path:
        return self.path / "webhook-secrets.json"

    @property
    def truss(self) -> Path:
        return self.path / "truss"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the directory, for its owner alone. Raises StateDirectoryInUseError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.path / "lock").open("ab") as lock:
            if not tether.acquire(lock, seconds=2):
                raise StateDirectoryInUseError(self.path)
            yield

    def write_processes(self, processes: Processes) -> None:
        self._write("processes.json", json.dumps(asdict(processes)) + "\n")

    def read_processes(self) -> Processes | None:
        """None before the first start."""
        try:
            return Processes(**json.loads((self.path / "processes.json").read_text()))
        except FileNotFoundError:
            return None

    def write_environment(self, environment: Mapping[str, str]) -> Path:
        """The file is for a shell's `.`; it holds keys, so only its owner can read it."""
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in environment.items()]
        return self._write("environment", "".join(lines))

    def read_environment(self) -> dict[str, str]:
        words = shlex.split((self.path / "environment").read_text())
        return dict(word.split("=", 1) for word in words)

    def _write(self, name: str, text: str) -> Path:
        temporary = self.path / f".{name}"
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        return temporary.replace(self.path / name)
