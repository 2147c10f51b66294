"""A large job through kill -9 of the companion at random moments, and of the stand-in.

`OUTBOX_ENDURANCE=20000 scripts/test -m slow tests/end_to_end/test_endurance.py` runs it in full.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local_baseten.running import running_locally
from outbox_client import Deployment, Journal, Naming, State, wait
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.errors import UnknownJobError
from outbox_client.service.api import QueueStatus, RequestStatus
from tests.tiny_truss import make_tiny_truss
from tests.waiting import until
from truss_outbox.contract.keys import KeyTemplate
from truss_outbox.contract.manifest import Manifest

COUNT = int(os.environ.get("OUTBOX_ENDURANCE", "20000"))
KILLS = 20
STAND_IN_KILLS = (7, 14)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


class Companion:
    """`outbox` as a process; `rss_bytes` is the most that any of them took."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self.environment = environment
        self.rss_bytes = 0
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "outbox_client", *arguments],
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> int | None:
        os.kill(self._process.pid, signal.SIGKILL)  # Popen's own would reap it first
        return self.end()

    def end(self) -> int:
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        self.rss_bytes = max(self.rss_bytes, usage.ru_maxrss * 1024)
        return self._process.returncode


class Silent:
    """An API that must not be asked about any request."""

    asked = 0

    def queue_status(self) -> QueueStatus:
        return QueueStatus(queued=0, in_progress=0)

    def status(self, request_id: str) -> RequestStatus:
        self.asked += 1
        return RequestStatus(status="QUEUED")


def rows(path: Path, count: int) -> Path:
    with path.open("w") as file:
        for number in range(count):
            file.write(json.dumps({"item": f"{number:06}", "text": f"hello {number}"}) + "\n")
    return path


def is_noted(home: Path, job: str, root: str, endpoint: str) -> bool:
    try:
        with Journal.opened(home, job=job, root=root, endpoint=endpoint) as journal:
            return bool(journal.counts())
    except UnknownJobError:
        return False


@pytest.fixture
def stand_in(tmp_path, seaweedfs):
    """Starts it, again and again at one port, on one queue."""
    truss = make_tiny_truss(tmp_path / "truss", inference="echo_inference")
    environment = {
        "OUTBOX_ROOT": f"s3://outbox/{tmp_path.name}",
        "OUTBOX_ENDPOINT_URL": seaweedfs.endpoint_url,
        "TRUSS_SECRET_aws_access_key_id": seaweedfs.access_key_id,
        "TRUSS_SECRET_aws_secret_access_key": seaweedfs.secret_access_key,
    }
    with contextlib.ExitStack() as stack:
        port = 0

        def start():
            nonlocal port
            local = stack.enter_context(
                running_locally(
                    truss,
                    state_directory=tmp_path / "state",
                    concurrency_target=8,
                    environment=environment,
                    port=port,
                )
            )
            port = int(local.base_url.rpartition(":")[2])
            return local

        yield start


def test_every_item_has_one_result_whatever_dies(stand_in, tmp_path, seaweedfs, monkeypatch):
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    local, root = stand_in(), f"s3://outbox/{tmp_path.name}"
    environment = {
        **os.environ,
        "OUTBOX_ROOT": root,
        "OUTBOX_ENDPOINT_URL": seaweedfs.endpoint_url,
        "OUTBOX_BASE_URL": local.base_url,
        "OUTBOX_HOME": str(tmp_path / "home"),
        "BASETEN_API_KEY": local.api_key,
    }
    bucket = open_bucket(root, endpoint_url=seaweedfs.endpoint_url)

    def results(job: str) -> int:
        return sum(1 for _ in bucket.keys(f"manifests/job={job}/"))

    small = Companion(environment, tmp_path / "small.log")
    small.start("submit", str(rows(tmp_path / "small.jsonl", COUNT // 10)), "--job", "small")
    assert small.end() == 0
    until(lambda: results("small") == COUNT // 10, "the small job", seconds=1800, every=1)

    table, companion = rows(tmp_path / "rows.jsonl", COUNT), Companion(environment, tmp_path / "l")

    def go_on() -> None:
        """As a person would: what was noted is resumed."""
        noted = is_noted(tmp_path / "home", "large", root, seaweedfs.endpoint_url)
        submit = ("submit", str(table), "--job", "large")
        companion.start(*(("resume", "large") if noted else submit))

    go_on()
    for kill in range(KILLS):
        # Some die as they start, some plan, most send.
        time.sleep(random.uniform(0, 2) if kill % 4 == 0 else random.uniform(2, COUNT / 2500 + 2))
        companion.kill()
        if kill in STAND_IN_KILLS:
            os.kill(local.processes().stand_in, signal.SIGKILL)
        go_on()
        if kill in STAND_IN_KILLS:
            local = stand_in()
    assert companion.end() == 0
    until(lambda: results("large") == COUNT, "the large job", seconds=1800, every=1)

    api = Silent()
    naming = Naming(template=KeyTemplate.parse("job={job}/{item}"))
    endpoint = seaweedfs.endpoint_url
    with Journal.opened(tmp_path / "home", job="large", root=root, endpoint=endpoint) as journal:
        submits = sum(entry.attempts for entry in journal.entries())
        wait(journal, deployment=Deployment(api=api, bucket=bucket, naming=naming))
        assert journal.counts() == {State.SUCCEEDED: COUNT}
    manifests = (bucket.get(key) for key in bucket.keys("manifests/job=large/"))
    said = {manifest.item: manifest.result for manifest in map(Manifest.from_bytes, manifests)}
    assert said == {f"{number:06}": {"text": f"hello {number}"} for number in range(COUNT)}
    assert api.asked == 0
    rss = f"{small.rss_bytes >> 20} and {companion.rss_bytes >> 20} MiB"
    print(f"{submits} submits for {COUNT} items; RSS {rss}")  # noqa: T201
    assert companion.rss_bytes <= small.rss_bytes + (30 << 20)
