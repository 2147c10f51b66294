"""The companion's calls to a bucket that breaks off, asks to wait, or is gone."""

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from outbox_client import Deployment, Journal, Naming, fetch, index, wait
from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.commands.progress.display import told_once
from outbox_client.errors import WaitTimeoutError
from outbox_client.following import tracker
from tests.faults.fault_plan import Fault, Resets
from tests.faults.faulty_network import FaultyNetwork, faulty_network
from tests.faults.test_bad_minute import JOB, fill
from tests.outbox_client.fake_service import FakeService
from tests.outbox_client.filling import fill_bucket, fill_journal
from truss_outbox.contract.errors import AlreadyExistsError, NotFoundError, StoreUnavailableError
from truss_outbox.contract.keys import KeyTemplate
from truss_outbox.retrying import without_pauses
from truss_outbox.stores.memory import MemoryStore

NAMING = Naming(template=KeyTemplate.parse("job={job}/{item}"))
DATA = random.Random(2).randbytes(3 << 20)


@pytest.fixture(autouse=True)
def form() -> None:
    """These ask no model."""


@dataclass
class Chosen:
    """What happens to a call is what `fault` says."""

    choose: Callable[[str, str, int], Fault | None] = lambda *_: None
    calls: list[tuple[str, str]] = field(default_factory=list)

    def fault(self, method: str, path: str, number: int) -> Fault | None:
        self.calls.append((method, path))
        return self.choose(method, path, number)


@pytest.fixture
def plan() -> Chosen:
    return Chosen()


@pytest.fixture
def network(seaweedfs, plan) -> Iterator[FaultyNetwork]:
    with faulty_network(seaweedfs.endpoint_url, plan, root="/outbox", stall_seconds=0) as network:
        yield network


@pytest.fixture
def direct(seaweedfs, monkeypatch) -> Bucket:
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    root = f"{seaweedfs.root}/unavailable/{uuid.uuid4().hex[:8]}"
    return open_bucket(root, endpoint_url=seaweedfs.endpoint_url)


@pytest.fixture
def bucket(direct, network) -> Bucket:
    """The same one, behind the network."""
    return open_bucket(direct.root, endpoint_url=network.url)


@pytest.fixture
def _quick() -> Iterator[None]:
    with without_pauses(tries=20):
        yield


BROKEN = [Fault.SLOW_DOWN, Fault.RESET_DURING, Fault.TRUNCATED]


def first_with(fault: Fault, *parts: str) -> Callable[[str, str, int], Fault | None]:
    """Strikes the first call whose path holds the first part, then one that holds the next."""
    left = list(parts)
    return lambda method, path, number: fault if left and left[0] in path and left.pop(0) else None


@pytest.mark.usefixtures("_quick")
def test_a_listing_goes_on_after_the_last_key_that_came(bucket, direct, plan):
    # Names whose order differs between bytes and folders.
    keys = [f"x/{folder}/{number:03}" for folder in ("a", "a-b", "a%20") for number in range(400)]
    fill_bucket(direct, keys)
    for fault in BROKEN:
        plan.calls.clear()
        plan.choose = first_with(fault, "list-type", "continuation-token")
        assert sorted(bucket.keys("x/")) == sorted(keys)
        assert len(plan.calls) == 4  # two pages, each asked for again
        assert "start-after" in plan.calls[-1][1]


@pytest.mark.usefixtures("_quick")
def test_a_listing_without_an_order_begins_anew_and_repeats_nothing(tmp_path):
    class Breaking(Bucket):
        """The first listing breaks off in the middle."""

        def _resumed(self, key, begin):
            listings = iter([broken_off(begin())])
            return super()._resumed(key, lambda: next(listings, None) or begin())

    def broken_off(pages):
        yield next(pages)
        raise OSError("broken off")

    bucket = Breaking(open_bucket(f"file://{tmp_path}")._store, root=f"file://{tmp_path}")
    fill_bucket(bucket, keys := [f"x/{number:03}" for number in range(120)])
    assert not bucket.lists_in_order
    assert sorted(bucket.keys("x/")) == keys


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("fault", BROKEN)
def test_a_stream_goes_on_where_it_broke(bucket, direct, plan, fault):
    direct.put("a", DATA)
    plan.choose = lambda method, path, number: fault if number < 2 else None
    assert b"".join(bucket.range_chunks("a", start=7, length=len(DATA) - 7)) == DATA[7:]


@pytest.mark.usefixtures("_quick")
def test_every_call_is_repeated(bucket, direct, plan, tmp_path):
    (tmp_path / "file").write_bytes(DATA)
    direct.put("there", b"data")
    plan.choose = lambda method, path, number: Fault.SLOW_DOWN if number % 2 == 0 else None
    assert bucket.get("there") == b"data"
    assert bucket.get_range("there", start=1, length=2) == b"at"
    assert bucket.size("there") == 4
    bucket.put("put", b"1")
    bucket.create("created", b"1")
    with pytest.raises(AlreadyExistsError):
        bucket.create_new("created", b"2")
    bucket.upload("uploaded", tmp_path / "file")
    bucket.delete("put")
    with pytest.raises(NotFoundError):
        bucket.size("put")
    assert direct.get("uploaded") == DATA


@pytest.mark.usefixtures("_quick")
def test_a_create_beside_another_one_is_repeated_until_it_is_known(bucket, plan):
    plan.choose = lambda method, path, number: Fault.CONFLICT if number == 0 else None
    bucket.create("a", b"data")
    assert [method for method, _ in plan.calls] == ["PUT", "PUT"]


@pytest.mark.usefixtures("_quick")
def test_a_lost_part_of_an_upload_is_sent_again_and_no_other(bucket, direct, plan, tmp_path):
    (tmp_path / "file").write_bytes(data := DATA * 7)
    plan.choose = lambda method, path, number: (
        Fault.RESET_BEFORE if "partNumber=2" in path and number < 2 else None
    )
    bucket.upload("large", tmp_path / "file")
    assert direct.get("large") == data
    parts = [path for method, path in plan.calls if "partNumber" in path]
    assert len(parts) == 3 + 2
    assert len([path for method, path in plan.calls if method == "POST"]) == 2


@pytest.mark.usefixtures("_quick")
def test_fetch_and_index_outlast_a_network_that_loses_every_fourth_call(
    bucket, direct, network, plan, tmp_path
):
    fill(direct, results=60, large=DATA * 2)
    plan.choose = Resets(rate=0.25, seed=1).fault
    report = fetch(JOB, tmp_path, bucket=bucket, naming=NAMING)
    assert (len(report.results), report.problems) == (60, [])
    assert index(JOB, bucket=bucket, naming=NAMING).added == 60


def is_away(bucket: Bucket) -> bool:
    with pytest.raises(StoreUnavailableError):
        bucket.get("a")
    return True


def test_a_bucket_that_is_gone_is_waited_for_once_and_not_by_every_call(direct):
    waits: list[float] = []
    gone = open_bucket(direct.root, endpoint_url="http://127.0.0.1:9").waiting(
        timeout_seconds=0.5, on_wait=waits.append
    )
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert set(pool.map(is_away, [gone] * 4)) == {True}
    assert time.monotonic() - began < 1.5
    assert max(waits) <= 0.5


def test_a_bucket_that_has_answered_since_is_waited_for_again(bucket, plan):
    bucket = bucket.waiting(timeout_seconds=0.3, on_wait=lambda _: None)
    plan.choose = lambda *_: Fault.SLOW_DOWN
    with pytest.raises(StoreUnavailableError):
        bucket.get("a")
    plan.choose = lambda *_: None
    with pytest.raises(NotFoundError):
        bucket.get("a")
    plan.choose = lambda method, path, number: Fault.SLOW_DOWN if len(plan.calls) < calls else None
    calls = len(plan.calls) + 2
    with pytest.raises(NotFoundError):
        bucket.get("a")


def test_waiting_for_a_job_ends_in_time_also_where_the_bucket_is_away(
    bucket, plan, tmp_path, monkeypatch
):
    monkeypatch.setattr(tracker, "_LOOK_WAIT_SECONDS", 0.2)
    plan.choose = lambda *_: Fault.SLOW_DOWN
    api = FakeService(MemoryStore(), NAMING, tmp_path)
    deployment = Deployment(api=api, bucket=bucket, naming=NAMING)
    with Journal.opened(tmp_path, job=JOB, root=bucket.root, create=True) as journal:
        fill_journal(journal, ["a"], submitted_at=time.time())
        began = time.monotonic()
        with pytest.raises(WaitTimeoutError):
            wait(journal, deployment=deployment, timeout_seconds=1)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("as_json", "line"),
    [
        (False, "the bucket does not answer, or asks to wait: going on for up to 120 s\n"),
        (True, '"message": "the bucket does not answer, or asks to wait: going on for up'),
    ],
)
def test_a_long_wait_is_told_once(as_json, line, capsys):
    tell = told_once(as_json=as_json)
    for seconds in (0.2, 0.5, 2.9):
        tell(seconds)
    assert capsys.readouterr().err == ""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(tell, [3.1, 6, 20, 100] * 4))
    told = capsys.readouterr().err
    assert line in told
    assert told.count("\n") == 1


def test_ctrl_c_ends_the_wait_at_once(direct, network, plan, tmp_path):
    fill(direct, results=20, large=b"x")
    # The listing comes; many threads then wait for what it names.
    plan.choose = lambda method, path, number: None if "list-type" in path else Fault.SLOW_DOWN
    process = subprocess.Popen(
        [sys.executable, "-m", "outbox_client", "fetch", JOB, "--to", str(tmp_path)],
        env=os.environ | {"OUTBOX_ROOT": direct.root, "OUTBOX_ENDPOINT_URL": network.url},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stderr is not None
        for line in process.stderr:
            if "going on for up to 120 s" in line:
                break
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
        assert process.wait(20) == 130, said
    assert time.monotonic() - began < 5
    assert said.startswith("outbox: interrupted")
