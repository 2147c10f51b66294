"""Files out of the bucket: under a temporary name, verified, then renamed."""

import contextlib
import hashlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import stamina

from model.artifacts import Artifact
from model.artifacts.errors import OutboxError, StoreUnavailableError
from model.artifacts.reading import check_artifact
from scripts.client.bucket import Bucket
from scripts.client.errors import LocalFileError

_ATTEMPTS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """One artifact, its object's key and the file it becomes."""

    artifact: Artifact
    key: str
    target: Path


def install(
    downloads: Sequence[Download], *, bucket: Bucket, last: tuple[Path, bytes]
) -> list[Download]:
    """Bring every file that is missing or different, then write `last`; returns what was brought.

    Nothing gets its name before everything is there and verified. Raises CorruptArtifactError,
    StoreError, LocalFileError.
    """
    missing = [download for download in downloads if not _is_there(download)]
    path, data = last
    with _local_files(), contextlib.ExitStack() as stack:
        # The last one stands for all: it may not stand while files are replaced.
        if missing:
            path.unlink(missing_ok=True)
        parts = [stack.enter_context(_part(download.target)) for download in missing]
        for download, part in zip(missing, parts, strict=True):
            _download(download, part, bucket=bucket)
        for download, part in zip(missing, parts, strict=True):
            part.replace(download.target)
        if missing or not _holds(path, data):
            with _part(path) as part:
                part.write_bytes(data)
                part.replace(path)
    return missing


@stamina.retry(on=StoreUnavailableError, attempts=_ATTEMPTS)
def _download(download: Download, part: Path, *, bucket: Bucket) -> None:
    digest = hashlib.sha256()
    size = 0
    with part.open("wb") as file:
        for chunk in bucket.chunks(download.key):
            size += len(chunk)
            if size > download.artifact.size:
                break  # Whatever else comes, it is not what the manifest promises.
            digest.update(chunk)
            file.write(chunk)
    check_artifact(download.artifact, size=size, sha256=digest.hexdigest())


def _is_there(download: Download) -> bool:
    target = download.target
    with _local_files():
        if target.is_symlink() or not target.is_file():
            return False
        if target.stat().st_size != download.artifact.size:
            return False
        with target.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == download.artifact.sha256


def _holds(path: Path, data: bytes) -> bool:
    return not path.is_symlink() and path.is_file() and path.read_bytes() == data


@contextlib.contextmanager
def _part(target: Path) -> Iterator[Path]:
    """A temporary name beside the target; what is left under it at the end goes away."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _local_files() -> Iterator[None]:
    try:
        yield
    except OutboxError:
        raise
    except OSError as error:
        raise LocalFileError(f"{error.filename or 'disk'}: {error.strerror}") from error
