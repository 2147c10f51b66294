"""What the stand-in keeps on disk, and tells other programs."""

import contextlib
import json
import mmap
import os
import secrets
import shlex
import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from . import tether
from .errors import StateDirectoryInUseError

_OFFSET = struct.Struct("d")

KEY = "api-key"
QUEUE = "queue.sqlite3"
LOG = "stand-in.log"
"""Of a stand-in that was started in the background."""
_KEY_BYTES = 20
_FILES = (
    *(f"{QUEUE}{suffix}" for suffix in ("", "-wal", "-shm")),
    *(KEY, LOG, "lock", "clock", "environment", "processes.json"),
    *("webhook-secrets.json", "webhook-secrets.lock"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerProcess:
    """A Truss server; `url` is empty before its first start, `pid` None while it does not run."""

    pid: int | None
    url: str
    is_ready: bool
    failed_starts: int
    """Since it was last ready."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Processes:
    """What runs, by process id; as JSON in `processes.json`."""

    base_url: str
    stand_in: int
    bucket: int | None
    servers: tuple[ServerProcess, ...]
    model_headers: Mapping[str, str] = field(repr=False)
    """What the models' servers want to see in a request."""

    @classmethod
    def parse(cls, text: str) -> Self:
        fields = json.loads(text)
        servers = tuple(ServerProcess(**server) for server in fields.pop("servers"))
        return cls(**fields, servers=servers)

    @property
    def truss_server(self) -> int | None:
        """The first server's process."""
        return self.servers[0].pid

    @property
    def model_url(self) -> str:
        """The first server's address; its `/metrics` too."""
        return self.servers[0].url

    @property
    def model_is_ready(self) -> bool:
        return all(server.is_ready for server in self.servers)

    @property
    def failed_starts(self) -> int:
        return max(server.failed_starts for server in self.servers)


@dataclass(frozen=True, slots=True)
class StateDirectory:
    """`queue.sqlite3`, the laid-out Truss with its HOME and TMPDIR, and two files for others."""

    path: Path

    @property
    def queue(self) -> Path:
        return self.path / QUEUE

    @property
    def log(self) -> Path:
        return self.path / LOG

    @property
    def clock(self) -> Path:
        return self.path / "clock"

    @property
    def webhook_secrets(self) -> Path:
        return self.path / "webhook-secrets.json"

    def make(self) -> None:
        """For its owner alone, also where it was there before. Raises OSError."""
        make_private(self.path, *_FILES)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else can read what it holds. Raises StateDirectoryInUseError, and OSError."""
        self.make()
        with (self.path / "lock").open("ab") as lock:
            if not tether.acquire(lock, seconds=2):
                raise StateDirectoryInUseError(self.path)
            yield

    def api_key(self) -> str:
        """Made at the first start: who follows a job needs no other after the next."""
        path = self.path / KEY
        if not path.exists():
            write_private(path, secrets.token_hex(_KEY_BYTES))
        return path.read_text()

    def write_processes(self, processes: Processes) -> None:
        write_private(self.path / "processes.json", json.dumps(asdict(processes)) + "\n")

    def read_processes(self) -> Processes | None:
        """None before the first start."""
        try:
            return Processes.parse((self.path / "processes.json").read_text())
        except FileNotFoundError:
            return None

    def write_environment(self, environment: Mapping[str, str]) -> Path:
        """The file is for a shell's `.`; it holds keys, so only its owner can read it."""
        lines = [f"{name}={shlex.quote(value)}\n" for name, value in environment.items()]
        return write_private(self.path / "environment", "".join(lines))

    def read_environment(self) -> dict[str, str]:
        words = shlex.split((self.path / "environment").read_text())
        return dict(word.split("=", 1) for word in words)


def make_private(directory: Path, *names: str) -> None:
    """Make the directory for its owner alone, whatever the umask is.

    What is there already, the directory and the files of these names in it, is taken from all
    others. Raises OSError: somebody else owns it.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            (directory / name).chmod(0o600)


@contextlib.contextmanager
def private_files() -> Iterator[None]:
    """What this process and its children make meanwhile is for their owner alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def write_private(path: Path, text: str, *, sync: bool = False) -> Path:
    """Replace the file as a whole, readable by its owner alone; with `sync` it is on disk."""
    temporary = path.with_name(f".{path.name}")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    return temporary.replace(path)


class MovableClock:
    """The stand-in's time, seconds since 1970: the system's, plus what a test moved it by.

    All processes that have the file open see the move at once.
    """

    def __init__(self, offset: mmap.mmap) -> None:
        self._offset = offset

    @classmethod
    def open(cls, path: Path) -> Self:
        """Makes the file where there is none; its clock shows the system's time."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(descriptor, _OFFSET.size)
            return cls(mmap.mmap(descriptor, _OFFSET.size))
        finally:
            os.close(descriptor)

    def __call__(self) -> float:
        return time.time() + self.moved_by

    @property
    def moved_by(self) -> float:
        (seconds,) = _OFFSET.unpack_from(self._offset)
        return float(seconds)

    def advance(self, seconds: float) -> None:
        """Never back: a request could end before it began."""
        if not seconds >= 0:
            raise ValueError("time does not go back")
        _OFFSET.pack_into(self._offset, 0, self.moved_by + seconds)
