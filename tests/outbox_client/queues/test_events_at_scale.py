"""Thousands of events, consumers that are killed, and an index of a million results."""

import os
import random
import sqlite3
import statistics
import subprocess
import sys
import threading
import time

import pytest

from outbox_client.indexing import format as index_format
from outbox_client.indexing.build import index_found
from outbox_client.indexing.compaction import compact
from outbox_client.indexing.parts import IndexParts
from outbox_client.indexing.results import results
from outbox_client.queues.events import followed
from tests.outbox_client.committed import a_manifest
from tests.tiny_truss import PROJECT
from tests.waiting import until
from truss_outbox.contract.keys import manifest_key
from truss_outbox.contract.root import Root

KILLS = 10

CONSUMERS = {
    # The cursor is kept with the work.
    "results": """
with kept:
    kept.execute("INSERT OR IGNORE INTO cursors VALUES (1, NULL)")
while True:
    (cursor,) = kept.execute("SELECT cursor FROM cursors").fetchone()
    for result in results(root, job, since=cursor, queue=queue, endpoint_url=endpoint):
        with kept:
            kept.execute("INSERT INTO work VALUES (?)", (result.manifest.item,))
            kept.execute("UPDATE cursors SET cursor = ?", (result.cursor,))
""",
    # The events' ids are.
    "events": """
for event in events(queue, root, endpoint_url=endpoint):
    with kept:
        is_new = kept.execute("INSERT OR IGNORE INTO ids VALUES (?)", (event.id,)).rowcount
        if is_new:
            kept.execute("INSERT INTO work VALUES (?)", (event.manifest.item,))
""",
}
START = """
import sqlite3, sys
from outbox_client.queues import protocol

protocol.HOLD_SECONDS = 10  # what a killed one holds comes back sooner
from outbox_client import events, results
root, job, queue, endpoint, work = sys.argv[1:]
kept = sqlite3.connect(work, timeout=30)
kept.executescript(
    "CREATE TABLE IF NOT EXISTS work (item);"
    "CREATE TABLE IF NOT EXISTS ids (id PRIMARY KEY);"
    "CREATE TABLE IF NOT EXISTS cursors (one PRIMARY KEY, cursor);"
)
"""


@pytest.fixture
def handling(seaweedfs, bucket_environment, root, job, rig, tmp_path):
    """Starts consumers, one after the other; and how many results they have handled."""
    work = tmp_path / "work.sqlite3"

    def start(kind):
        arguments = [root, job, rig.address, seaweedfs.endpoint_url, str(work)]
        # moto takes any keys.
        environment = {**os.environ, **bucket_environment, "OUTBOX_HOME": str(tmp_path / "home")}
        command = [sys.executable, "-c", START + CONSUMERS[kind], *arguments]
        return subprocess.Popen(command, cwd=PROJECT, env=environment)

    def handled():
        if not work.exists():
            return []
        with sqlite3.connect(work, timeout=30) as connection:
            return [item for (item,) in connection.execute("SELECT item FROM work")]

    return start, handled


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", CONSUMERS)
def test_a_consumer_that_is_killed_ten_times_handles_each_result_once(
    bucket, root, job, rig, handling, kind
):
    start, handled = handling
    count = rig.many
    items = [f"{number:05}" for number in range(count)]
    place, choice = Root.parse(root), random.Random(17)
    manifests = [a_manifest(job, item) for item in items]
    data = {manifest_key(one.key): one.to_bytes() for one in manifests}
    for _ in bucket.in_threads(lambda path: bucket.create(path, data[path]), data):
        pass
    # Each told twice, in no order; the last tenth while the consumers are at work.
    told = [place.object_name(path) for path in data for _ in range(2)]
    choice.shuffle(told)
    early, late = told[: len(told) * 9 // 10], told[len(told) * 9 // 10 :]
    rig.tell(place.bucket, *early)
    telling = threading.Thread(target=rig.tell, args=(place.bucket, *late))
    telling.start()
    for round_ in range(KILLS):
        consumer = start(kind)
        goal = min(count * (round_ + 1) // (KILLS + 2), count)
        until(lambda goal=goal: len(handled()) >= goal, f"{goal} results", seconds=300, every=0.02)
        time.sleep(choice.random() / 10)  # at any moment of its work
        consumer.kill()
        consumer.wait()
    telling.join()
    last = start(kind)
    try:
        until(lambda: len(handled()) >= count, "all results", seconds=400)
        time.sleep(12)  # what is told twice comes again meanwhile, and is not handled again
    finally:
        last.kill()
        last.wait()
    assert sorted(handled()) == items


@pytest.mark.slow
def test_an_event_comes_within_a_second_of_its_commit(
    bucket, root, job, rig, tmp_path, record_property
):
    place, committed_at, took = Root.parse(root), {}, []

    def commit():
        for number in range(50):
            manifest = a_manifest(job, f"{number}")
            bucket.create(manifest_key(manifest.key), manifest.to_bytes())
            committed_at[manifest.item] = time.monotonic()
            rig.tell(place.bucket, place.object_name(manifest_key(manifest.key)))
            time.sleep(0.05)

    committing = threading.Thread(target=commit)
    committing.start()
    for event in followed(rig.address, bucket, home=tmp_path, idle_seconds=2):
        took.append(time.monotonic() - committed_at[event.manifest.item])
    committing.join()
    record_property("median_seconds", round(statistics.median(took), 3))
    assert len(took) == 50
    assert statistics.median(took) <= 1


MILLION, PART = 1_000_000, 10_000


def fill_index(bucket, job):
    """An index of a million results, merged as it would be; not the results."""
    import pyarrow as pa

    row = index_format.row(a_manifest(job, "x"))
    plain = index_format.table([row] * PART)
    parts = IndexParts.of(bucket, job)
    for number in range(MILLION // PART):
        rows = plain
        names = [f"{number * PART + one:07}" for one in range(PART)]
        values = {"key": [f"job={job}/{name}" for name in names], "item": names}
        for name, column in values.items():
            place = rows.schema.get_field_index(name)
            rows = rows.set_column(place, name, pa.array(column))
        parts.create(number, index_format.encoded(rows, job=job, part_id=f"{number:08x}"))
        compact(parts, parts.read(), job=job)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_new_results_among_a_million_come_and_the_report_says_how_soon(
    bucket, root, job, rig, tmp_path, seaweedfs, record_property
):
    fill_index(bucket, job)
    # What this machine keeps of the index is there from the last time.
    known = index_found(job, lambda _: [], bucket=bucket, home=tmp_path)
    assert known.known == MILLION
    place, took, cursor = Root.parse(root), [], None
    for found in results(
        root,
        job,
        queue=rig.address,
        home=tmp_path,
        endpoint_url=seaweedfs.endpoint_url,
        since=f"{MILLION // PART - 1}.{MILLION // PART - 1:08x}.{PART - 1}",
    ):
        cursor = found.cursor
    for round_ in range(5):
        manifests = [a_manifest(job, f"new-{round_}-{number}") for number in range(10)]
        for one in manifests:
            bucket.create(manifest_key(one.key), one.to_bytes())
        rig.tell(place.bucket, *(place.object_name(manifest_key(one.key)) for one in manifests))
        began = time.monotonic()
        new = list(
            results(
                root,
                job,
                queue=rig.address,
                home=tmp_path,
                since=cursor,
                endpoint_url=seaweedfs.endpoint_url,
            )
        )
        took.append(time.monotonic() - began)
        cursor = new[-1].cursor
        assert len(new) == 10
    record_property("seconds", [round(one, 3) for one in took])
