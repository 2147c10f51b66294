"""What storing a result costs beyond sending the same bytes with the best bare client's code."""

import contextlib
import logging
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory

from local_baseten.buckets.fake_gcs import running_fake_gcs
from local_baseten.buckets.s3 import running_bucket
from local_baseten.errors import BucketError
from truss_outbox.contract.keys import manifest_key
from truss_outbox.stores import GcsOptions, ObjectStore, RetryingStore, S3Options, open_store
from truss_outbox.stores.commit import discard, find_manifest

from ..measuring import in_turn, ratios, verdict, write_random
from .ways import Way, boto3_ways, gcs_ways, keys_of, new_manifest, store_as_model

LIMIT = 1.15
FREE_BYTES = 40 << 30
"""The server keeps what is overwritten and deleted; with less room the large file is smaller."""


@dataclass(frozen=True, slots=True)
class StoreCase:
    count: int
    size: int
    rounds: int

    def __str__(self) -> str:
        unit, bits = next(u for u in (("GiB", 30), ("MiB", 20), ("KiB", 10)) if self.size >> u[1])
        return f"{self.count} x {self.size >> bits} {unit}"


def measure() -> str:
    """All ways store the same files on the same server, in turn."""
    with TemporaryDirectory() as name:
        return "".join([*_on_s3(Path(name)), *_on_gcs(Path(name))])


def _on_s3(directory: Path) -> Iterator[str]:
    has_room = shutil.disk_usage(directory).free > FREE_BYTES
    with running_bucket(directory / "bucket") as bucket, bucket.client() as client:
        options = S3Options(
            endpoint_url=bucket.endpoint_url,
            access_key_id=bucket.access_key_id,
            secret_access_key=bucket.secret_access_key,
        )
        store = RetryingStore(open_store(bucket.root, s3=options), timeout_seconds=60)
        for case in _cases(large_bytes=1 << (30 if has_room else 28)):
            yield f"S3 (SeaweedFS), {_measured(case, store, boto3_ways(client), directory)}"


def _on_gcs(directory: Path) -> Iterator[str]:
    try:
        with running_fake_gcs(directory) as url:
            gcs = open_store("gs://outbox", gcs=GcsOptions(endpoint_url=url))
            store = RetryingStore(gcs, timeout_seconds=60)
            # The emulator copies all it has of an object at every part.
            for case in _cases(large_bytes=1 << 28):
                yield f"GCS (fake-gcs-server), {_measured(case, store, gcs_ways(url), directory)}"
    except BucketError as error:
        yield f"GCS: not measured: {error}\n"


def _cases(*, large_bytes: int) -> list[StoreCase]:
    return [
        StoreCase(1, 16 << 10, 60),
        StoreCase(20, 1 << 20, 20),
        StoreCase(1, large_bytes, 5),
    ]


def _measured(case: StoreCase, store: ObjectStore, bare: dict[str, Way], directory: Path) -> str:
    if case.count == 1:  # in threads is the same again, and the luckiest of equals looks best
        bare = {name: way for name, way in bare.items() if "threads" not in name}
    files = _make_files(case, directory)
    try:
        ways: dict[str, Way] = {"the model": partial(store_as_model, store), **bare}
        timed_ways = {name: partial(_seconds, store, way, files) for name, way in ways.items()}
        in_turn(timed_ways, 1)  # does not count
        seconds = in_turn(timed_ways, case.rounds)
        requests = _requests_per_result(store, files)
    finally:
        for path in files.values():
            path.unlink()
    model = seconds.pop("the model")
    best = min(seconds, key=lambda way: median(seconds[way]))
    ratio = median(ratios(model, seconds[best]))
    lines = [f"    {way:<26} {_against(model, taken)}\n" for way, taken in seconds.items()]
    return (
        f"{case} + manifest, {case.rounds} rounds\n"
        f"    {'the model':<26} {median(model) * 1000:9.1f} ms\n{''.join(lines)}"
        f"    against {best}: {verdict(LIMIT, is_met=ratio <= LIMIT)}\n"
        f"    requests per result: {requests}\n"
    )


def _against(model: list[float], bare: list[float]) -> str:
    low, middle, high = quantiles(ratios(model, bare), n=4)
    spread = f"ratio {middle:.3f} (half of the rounds {low:.3f} to {high:.3f})"
    return f"{median(bare) * 1000:9.1f} ms   {spread}"


def _make_files(case: StoreCase, directory: Path) -> dict[str, Path]:
    files = {}
    for number in range(case.count):
        path = write_random(directory / f"{case.size}-{number}.bin", case.size)
        files[path.name] = path
    return files


def _seconds(store: ObjectStore, way: Way, files: Mapping[str, Path]) -> float:
    manifest = new_manifest()
    started = time.perf_counter()
    way(files, manifest)
    seconds = time.perf_counter() - started
    discard(store, [*keys_of(files, manifest), manifest_key(manifest.key)])
    return seconds


def _requests_per_result(store: ObjectStore, files: Mapping[str, Path]) -> str:
    """The requests that urllib3 logs for one result: the look for a manifest, and the storing."""
    manifest = new_manifest()
    with _requests_sent() as sent:
        find_manifest(store, manifest.key)
        store_as_model(store, files, manifest)
    counts = {method: sent.count(method) for method in sorted(set(sent))}
    return ", ".join(f"{count} {method}" for method, count in counts.items())


@contextlib.contextmanager
def _requests_sent() -> Iterator[list[str]]:
    """The methods of the requests sent meanwhile by any boto3 client, repetitions too."""
    methods: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if isinstance(record.args, tuple) and len(record.args) == 8:
                methods.append(str(record.args[3]))

    logger, listener = logging.getLogger("urllib3.connectionpool"), Listener()
    level = logger.level
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    try:
        yield methods
    finally:
        logger.setLevel(level)
        logger.removeHandler(listener)
