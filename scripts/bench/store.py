"""What storing a result costs beyond sending the same bytes with the best bare boto3 code."""

import os
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from model.artifacts import Manifest, ModelInfo, ObjectStore, open_store
from model.artifacts.reading import find_manifest
from model.artifacts.stores import RetryingStore, S3Options
from model.artifacts.writing import commit, new_attempt, upload_artifacts
from scripts.bench.bare_boto3 import Way, bare_ways, default_client
from scripts.bench.requests_sent import requests_sent
from scripts.local_baseten.bucket import Bucket, running_bucket

LIMIT = 1.15
FREE_BYTES = 40 << 30
"""The server keeps what is overwritten and deleted; with less room the large file is smaller."""


@dataclass(frozen=True, slots=True)
class Case:
    count: int
    size: int
    repetitions: int

    def __str__(self) -> str:
        unit, bits = next(u for u in (("GiB", 30), ("MiB", 20), ("KiB", 10)) if self.size >> u[1])
        return f"{self.count} x {self.size >> bits} {unit}"


def measure() -> str:
    """All ways store the same files in turn; the median of each counts, and the best bare one's."""
    with TemporaryDirectory() as name, running_bucket(Path(name) / "bucket") as bucket:
        large = 1 << (30 if shutil.disk_usage(name).free > FREE_BYTES else 28)
        cases = [Case(1, 16 << 10, 60), Case(20, 1 << 20, 12), Case(1, large, 3)]
        with default_client(bucket) as client:
            store, bare = _store(bucket), bare_ways(client)
            return "".join(_measured(case, store, bare, Path(name)) for case in cases)


def _measured(case: Case, store: ObjectStore, bare: dict[str, Way], directory: Path) -> str:
    files = _make_files(case, directory)
    ways: dict[str, Way] = {"the model": partial(_store_as_model, store), **bare}
    seconds = _interleaved(ways, files, case.repetitions)
    model = seconds.pop("the model")
    best = min(seconds, key=lambda way: seconds[way])
    ratio = model / seconds[best]
    others = "".join(f"    {way:<22} {seconds[way] * 1000:9.1f} ms\n" for way in seconds)
    return (
        f"{case} + manifest, {case.repetitions} times each, in turn\n"
        f"    {'the model':<22} {model * 1000:9.1f} ms\n{others}"
        f"    ratio to {best:<13} {ratio:9.3f}    ({_verdict(ratio <= LIMIT)} {LIMIT})\n"
        f"    requests per result    {_requests_per_result(store, files)}\n"
    )


def _verdict(is_within: bool) -> str:
    return "within the limit of" if is_within else "ABOVE the limit of"


def _make_files(case: Case, directory: Path) -> dict[str, Path]:
    files = {}
    for number in range(case.count):
        path = directory / f"{case.size}-{number}.bin"
        with path.open("wb") as file:
            for _ in range(0, case.size, 1 << 20):
                file.write(os.urandom(min(case.size, 1 << 20)))
        files[path.name] = path
    return files


def _interleaved(
    ways: dict[str, Way], files: Mapping[str, Path], repetitions: int
) -> dict[str, float]:
    """Each way's median seconds, the first round left out where there are many."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    names = list(ways)
    for repetition in range(repetitions):
        for name in names[repetition % len(names) :] + names[: repetition % len(names)]:
            key = f"job=bench/{uuid.uuid4().hex}"
            manifest = _manifest(key).to_bytes()
            started = time.perf_counter()
            ways[name](files, key, manifest)
            seconds[name].append(time.perf_counter() - started)
    return {name: median(taken[repetitions > 5 :]) for name, taken in seconds.items()}


def _store_as_model(
    store: ObjectStore, files: Mapping[str, Path], key: str, _: bytes = b""
) -> Manifest:
    manifest = _manifest(key)
    artifacts = upload_artifacts(store, files, key=key, attempt=manifest.attempt)
    return commit(store, manifest.model_copy(update={"artifacts": artifacts}))


def _requests_per_result(store: ObjectStore, files: Mapping[str, Path]) -> str:
    """What urllib3 says it sent for one result: the look for a manifest, and the storing."""
    key = f"job=bench/{uuid.uuid4().hex}"
    with requests_sent() as sent:
        find_manifest(store, key)
        _store_as_model(store, files, key)
    counts = {method: sent.count(method) for method in sorted(set(sent))}
    return ", ".join(f"{count} {method}" for method, count in counts.items())


def _store(bucket: Bucket) -> ObjectStore:
    options = S3Options(
        endpoint_url=bucket.endpoint_url,
        access_key_id=bucket.access_key_id,
        secret_access_key=bucket.secret_access_key,
    )
    return RetryingStore(open_store(bucket.root, s3=options), timeout_seconds=60)


def _manifest(key: str) -> Manifest:
    return Manifest(
        key=key,
        request_id="R",
        job="bench",
        item="I",
        attempt=new_attempt(),
        fingerprint="0" * 64,
        model=ModelInfo(name="bench", version="1"),
        created_at=datetime.now(UTC),
        artifacts=[],
    )
