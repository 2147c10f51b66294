"""The objects that the companion's benchmark fetches and uploads.

`python -m scripts.bench.client.objects JOB COUNT SIZE` stores a job's results.
"""

import hashlib
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.open_bucket import open_bucket
from truss_outbox.contract.keys import artifact_key, manifest_key
from truss_outbox.contract.manifest import Artifact

from ..measuring import manifest_of, write_random

_ATTEMPT = "0123abcd"
_NAME = "text.txt"


@dataclass(frozen=True, slots=True)
class TransferCase:
    title: str
    job: str
    count: int
    size: int
    rounds: int = 3


def fill(job: str, count: int, size: int) -> None:
    """So many committed results of one artifact each."""
    bucket = open_bucket(os.environ["OUTBOX_ROOT"], endpoint_url=os.environ["OUTBOX_ENDPOINT_URL"])
    for _ in bucket.in_threads(lambda number: _commit(bucket, job, number, size), range(count)):
        pass


def fresh_inputs(directory: Path, case: TransferCase) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for number in range(case.count):
        write_random(directory / f"{number:05}.bin", case.size)


def _commit(bucket: Bucket, job: str, number: int, size: int) -> None:
    item = f"{number:05}.pdf"
    key = f"job={job}/{item}"
    path = artifact_key(key, _ATTEMPT, _NAME)
    sha256 = _put_random(bucket, path, size)
    artifact = Artifact(
        name=_NAME,
        uri=f"{bucket.root}/{path}",
        size=size,
        content_type="text/plain",
        sha256=sha256,
    )
    manifest = manifest_of(job, item, attempt=_ATTEMPT, artifacts=[artifact])
    bucket.create(manifest_key(key), manifest.to_bytes())


def _put_random(bucket: Bucket, key: str, size: int) -> str:
    """Its SHA-256."""
    with TemporaryDirectory() as name:
        path = write_random(Path(name) / "artifact", size)
        bucket.upload(key, path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    fill(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
