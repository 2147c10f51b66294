"""Uploads a directory's files as inputs: `python -m scripts.bench.client.staging DIRECTORY`."""

import os
import sys
from functools import partial
from pathlib import Path

from outbox_client import loading


def stage(directory: Path) -> None:
    loading.begin()  # as the command does
    from outbox_client.bucket.open_bucket import open_bucket  # noqa: PLC0415
    from outbox_client.sending.large_inputs import stage_file  # noqa: PLC0415

    loading.end()
    bucket = open_bucket(os.environ["OUTBOX_ROOT"], endpoint_url=os.environ["OUTBOX_ENDPOINT_URL"])
    staged = bucket.in_threads(partial(stage_file, bucket=bucket), sorted(directory.iterdir()))
    for _ in staged:
        pass


if __name__ == "__main__":
    stage(Path(sys.argv[1]))
