"""What a sweep over a large job costs, in calls, seconds and memory."""

import json
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from outbox_client import Journal, wait
from outbox_client.service.api import RequestStatus
from tests.end_to_end.s3_proxy import running_proxy
from tests.outbox_client.filling import fill_bucket, fill_journal, manifests

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def sweep_of(tmp_path, job, root, bucket):
    """Makes a job of so many items, all of them sent and stored; returns how to sweep it once."""

    def sweep_of(count):
        home = tmp_path / f"home-{count}"
        items = [f"archive/2026/{number // 1000}/scan-{number:06d}.pdf" for number in range(count)]
        name = f"{job}-{count}"
        with Journal.opened(home, job=name, root=root, create=True) as journal:
            fill_journal(journal, items, submitted_at=time.time())
            fill_bucket(bucket, manifests(journal, items))

        def sweep(endpoint_url):
            fresh = shutil.copytree(home, tmp_path / "home", dirs_exist_ok=True)
            program = [sys.executable, "-m", "tests.outbox_client.one_sweep"]
            arguments = [str(fresh), name, root, endpoint_url]
            done = subprocess.run([*program, *arguments], capture_output=True, check=True)
            swept = json.loads(done.stdout)
            assert swept["counts"] == {"succeeded": count}
            return swept

        return sweep

    return sweep_of


def test_a_hundred_thousand_results_take_110_calls_and_5_seconds(sweep_of, seaweedfs):
    sweep = sweep_of(100_000)
    with running_proxy(seaweedfs.endpoint_url) as door:
        sweep(door.url)
        assert len(door.calls) <= 110
    assert min(sweep(seaweedfs.endpoint_url)["seconds"] for _ in range(3)) <= 5


def test_memory_hardly_grows_with_the_job(sweep_of, seaweedfs):
    small, large = (sweep_of(n)(seaweedfs.endpoint_url)["rss_bytes"] for n in (2_000, 20_000))
    assert large - small <= 30 << 20


def test_a_result_is_shown_soon_after_its_commit(journal, deployment, bucket, service):
    """A job of 1,000 whose results come over 20 seconds; most are shown within two."""
    items = [f"scan-{number:04d}.pdf" for number in range(1_000)]
    fill_journal(journal, items, submitted_at=time.time())
    service.statuses.update((f"r-{item}", RequestStatus(status="QUEUED")) for item in items)
    committed, shown = {}, {}

    def commit_all():
        began = time.monotonic()
        for number, (item, path) in enumerate(zip(items, manifests(journal, items), strict=True)):
            time.sleep(max(0, began + number / 50 - time.monotonic()))
            bucket.create_new(path, b"{}")
            committed[item] = time.monotonic()

    def note(event):
        if event.item is not None:
            shown[event.item] = time.monotonic()

    with ThreadPoolExecutor(1) as pool:
        committing = pool.submit(commit_all)
        account = wait(journal, deployment=deployment, progress=note)
        committing.result()
    assert account.succeeded
    delays = [shown[item] - committed[item] for item in items]
    assert statistics.median(delays) <= 2
