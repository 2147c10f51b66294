"""The objects that the companion's benchmark fetches and uploads.

`python -m scripts.bench.client_objects DIRECTORY` uploads a directory's files as inputs.
"""

import hashlib
import os
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from model.artifacts import Artifact, Manifest, ModelInfo
from model.artifacts.keys import artifact_key, manifest_key
from scripts.client.bucket import Bucket
from scripts.client.bucket_opening import open_bucket
from scripts.client.staging import stage_files
from scripts.client.threads import in_threads
from scripts.local_baseten.bucket import Bucket as Server

_ATTEMPT = "0123abcd"
_NAME = "text.txt"
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Case:
    title: str
    job: str
    count: int
    size: int
    rounds: int = 3


def fill(server: Server, case: Case) -> None:
    """So many committed results of one artifact each."""
    os.environ.update(server.environment)
    bucket = open_bucket(server.root, endpoint_url=server.endpoint_url)
    for _ in in_threads(lambda number: _commit(bucket, case, number), range(case.count)):
        pass


def fresh_inputs(directory: Path, case: Case) -> None:
    """Files that nobody has stored before."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for number in range(case.count):
        (directory / f"{number:05}.bin").write_bytes(os.urandom(case.size))


def _commit(bucket: Bucket, case: Case, number: int) -> None:
    item = f"{number:05}.pdf"
    key = f"job={case.job}/{item}"
    path = artifact_key(key, _ATTEMPT, _NAME)
    sha256 = _put_random(bucket, path, case.size)
    artifact = Artifact(
        name=_NAME,
        uri=f"{bucket.root}/{path}",
        size=case.size,
        content_type="text/plain",
        sha256=sha256,
    )
    manifest = Manifest(
        key=key,
        request_id=f"{number:032x}",
        job=case.job,
        item=item,
        attempt=_ATTEMPT,
        fingerprint="0" * 64,
        model=ModelInfo(name="bench", version="1"),
        created_at=datetime.now(UTC),
        artifacts=[artifact],
    )
    bucket.create(manifest_key(key), manifest.to_bytes())


def _put_random(bucket: Bucket, key: str, size: int) -> str:
    """Its SHA-256."""
    if size <= _BLOCK_BYTES:
        data = os.urandom(size)
        bucket.create(key, data)
        return hashlib.sha256(data).hexdigest()
    digest = hashlib.sha256()
    with TemporaryDirectory() as name:
        path = Path(name) / "large"
        with path.open("wb") as file:
            for _ in range(0, size, _BLOCK_BYTES):
                block = os.urandom(_BLOCK_BYTES)
                digest.update(block)
                file.write(block)
        bucket.upload(key, path)
    return digest.hexdigest()


if __name__ == "__main__":
    ours = open_bucket(os.environ["OUTBOX_ROOT"], endpoint_url=os.environ["OUTBOX_ENDPOINT_URL"])
    for _ in stage_files(sorted(Path(sys.argv[1]).iterdir()), ours):
        pass
