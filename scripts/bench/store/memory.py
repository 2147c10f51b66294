"""How much memory storing a file in S3 takes, by the file's size."""

import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from local_baseten.buckets.s3 import BucketServer, running_bucket
from truss_outbox.stores import S3Options, open_store

from .. import PROJECT
from ..measuring import timed

MIB = 1 << 20
SMALL_BYTES, LARGE_BYTES = MIB, 5 << 30


def measure() -> str:
    """The peak memory of fresh processes that each store one file in SeaweedFS."""
    with TemporaryDirectory() as name, running_bucket(Path(name)) as bucket:
        small = peak_of_storing(bucket, SMALL_BYTES)
        large = peak_of_storing(bucket, LARGE_BYTES)
    return (
        f"{SMALL_BYTES // MIB:>5} MiB stored  {small:>6.1f} MiB peak\n"
        f"{LARGE_BYTES // MIB:>5} MiB stored  {large:>6.1f} MiB peak\n"
        f"difference        {large - small:>6.1f} MiB\n"
    )


def peak_of_storing(bucket: BucketServer, size: int) -> float:
    """Mebibytes of a fresh process that stores a file of so many zeros."""
    with TemporaryDirectory() as name:
        if shutil.disk_usage(name).free < 2 * size:
            raise SystemExit(f"{size // MIB} MiB need twice as much of the disk")
        path = Path(name) / "zeros"
        path.touch()
        os.truncate(path, size)
        command = [sys.executable, "-m", __name__, bucket.endpoint_url, str(path)]
        environment = {**os.environ, **bucket.environment}
        return timed([command], directory=PROJECT, environment=environment).peak


def _store(endpoint_url: str, path: Path) -> None:
    store = open_store("s3://outbox/bench", s3=S3Options(endpoint_url=endpoint_url))
    store.put_file(f"zeros-{path.stat().st_size}", path, content_type="application/octet-stream")


if __name__ == "__main__":
    _store(sys.argv[1], Path(sys.argv[2]))
