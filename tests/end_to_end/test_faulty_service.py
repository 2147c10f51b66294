"""The companion against a service that loses answers, hangs up and delivers twice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local_baseten.running import running_locally

FAULTS = {
    "lost_answer": 0.3,
    "unavailable": 0.2,
    "duplicate_delivery": 0.5,
    "model_disconnect": 0.2,
    "model_slow": 0.2,
}


@pytest.mark.slow
def test_every_document_ends_in_one_verified_result(tiny_truss, tmp_path: Path):
    documents = tmp_path / "documents"
    documents.mkdir()
    for number in range(10):
        (documents / f"{number}.txt").write_text(f"document number {number}")
    with running_locally(
        tiny_truss,
        state_directory=tmp_path / "state",
        bucket_directory=tmp_path / "bucket",
        concurrency_target=4,
        faults=FAULTS,
        fault_seed=1,
        slow_seconds=0.2,
    ) as local:
        command = [*(sys.executable, "-m", "outbox_client"), "run", documents, "--job", "faulty"]
        done = subprocess.run(
            [*command, "--to", tmp_path / "results"],
            env={**os.environ, **local.environment, "OUTBOX_HOME": str(tmp_path / "journal")},
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
        )
        log = local.log.read_text()

    assert done.returncode == 0, done.stdout + done.stderr
    for number in range(10):
        (text,) = (tmp_path / "results").rglob(f"{number}.txt/upper.txt")
        assert text.read_text() == f"DOCUMENT NUMBER {number}"
    assert {fault for fault in FAULTS if f"fault, as asked for: {fault}" in log} == set(FAULTS)
