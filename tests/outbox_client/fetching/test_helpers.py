"""Many results are brought by several processes, as one would bring them."""

import errno
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from outbox_client.bucket.listed import StoredObject
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.errors import TargetError
from outbox_client.fetching.helpers import Helpers, _PutOff
from scripts.bench.scale.synthetic_s3 import running_s3
from tests.outbox_client.fetching.sharing import AT, helpers_of, sockets
from tests.outbox_client.results import Results, files_below
from tests.waiting import until
from truss_outbox.contract.errors import OutboxError

PROJECT = Path(__file__).parents[3]
MANY = 3000

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="helpers are forked on Linux alone")


@pytest.fixture
def shared(tmp_path):
    """What two helpers and the first process bring of so many, where helpers do what is asked."""

    def shared(number: int, **asked: int):
        options = [f"{name}={value}" for name, value in asked.items()]
        words = [*("-m", "tests.outbox_client.fetching.sharing"), f"file://{tmp_path}", f"{number}"]
        done = subprocess.run(
            [sys.executable, *words, *options],
            cwd=PROJECT,
            check=False,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
        assert not done.stderr, done.stderr.decode()
        return [json.loads(line) for line in done.stdout.splitlines()][-1]

    return shared


def by_process(said) -> Counter[str]:
    return Counter(place for _, place in said["brought"])


def test_each_result_comes_once_from_one_of_three_processes(shared):
    said = shared(MANY)
    assert sorted(number for number, _ in said["brought"]) == list(range(MANY))
    assert len(by_process(said)) == 3
    assert len(set(said["names"])) == 1 + MANY  # of temporary files
    assert "still there" not in said


def test_a_helper_holds_the_socket_of_no_other(shared):
    said = shared(MANY)
    pairs = zip(said["brought"], said["sockets"], strict=True)
    assert {count for (_, place), count in pairs if place != said["first"]} == {1}


def test_a_process_that_waits_for_none_that_ends_is_none_the_worse(shared):
    assert len(shared(MANY, reaped=1)["brought"]) == MANY


def test_few_results_come_from_the_first_process_alone(shared):
    said = shared(100)
    assert by_process(said) == {said["first"]: 100}


def test_what_may_lie_in_one_another_comes_last_and_from_one_process(shared):
    said = shared(MANY)
    last = said["brought"][-MANY // 100 :]
    assert [number for number, _ in last] == list(range(50, MANY, 100))
    assert {place for _, place in last} == {said["first"]}


def test_what_a_killed_process_had_under_way_is_brought_by_the_first(shared):
    said = shared(MANY, killed=300)
    assert sorted(number for number, _ in said["brought"]) == list(range(MANY))
    assert (300, said["first"]) in map(tuple, said["brought"])


def test_an_error_in_another_process_is_raised_here(shared):
    said = shared(MANY, error=300)
    assert said["error"] == ["AccessDeniedError", "300: not yours"]
    assert "still there" not in said


def test_of_an_unexpected_error_it_is_told_where_it_happened(shared):
    kind, sentence, note = shared(MANY, bug=300)["error"]
    assert (kind, sentence) == ("RuntimeError", "ZeroDivisionError in another process")
    assert "in brought" in note


def test_foreign_objects_that_another_process_meets_are_told_here(shared):
    assert shared(MANY, met=300)["foreign"] == ["odd"]


def test_who_leaves_in_the_middle_leaves_no_process_behind(shared):
    said = shared(MANY, waits=300, left=1500)
    assert len(said["brought"]) == 1500
    assert "still there" not in said


def test_the_others_end_where_the_first_process_is_killed(shared):
    helpers = shared(MANY, waits=300, died=1500)
    assert len(helpers) == 2
    until(lambda: not any(map(is_running, helpers)), "the end of the helpers")


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_process_that_has_threads_or_few_workers_helps_itself(tmp_path):
    bucket = open_bucket(f"file://{tmp_path}")
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    before = helpers_of(os.getpid())
    with Helpers.of(bucket), Helpers.of(bucket.waiting(workers=8)):
        assert helpers_of(os.getpid()) == before
    over.set()
    thread.join()


def test_where_the_system_gives_no_process_the_first_brings_all(tmp_path, monkeypatch):
    def fork():
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", fork)
    before = sockets()
    wanted = [(StoredObject(key=f"{one}", size=0, modified_at=AT), None) for one in range(300)]
    with Helpers(open_bucket(f"file://{tmp_path}"), count=2) as helpers:
        assert sockets() == before
        work = lambda wanted, _: ((found.key, None) for found, _ in wanted)  # noqa: E731
        assert len(list(helpers.bring(wanted, work, is_apart=lambda _: True))) == 300


def test_what_is_put_off_says_where_the_disk_is_full(monkeypatch):
    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(TargetError, match="No space left on device; free some space"):
        _PutOff().add((StoredObject(key="a", size=0, modified_at=AT), None))


def all_errors(kind: type[OutboxError]) -> Iterator[type[OutboxError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from all_errors(one)


def test_every_error_is_the_same_in_another_process():
    for kind in all_errors(OutboxError):
        error = kind.__new__(kind)
        error.args = ("a sentence",)
        error.detail = "more"
        error.add_note("and a note")
        other = pickle.loads(pickle.dumps(error))
        assert (type(other), str(other), other.detail) == (kind, "a sentence", "more")
        assert other.__notes__ == ["and a note"]


@pytest.fixture
def far(tmp_path):
    """Starts a fetch of 1,500 results, 20 ms away, by the command."""
    with running_s3("--render", "--job=J=1500,size=100", "--latency=0.02") as s3:
        environment = {**os.environ, **s3.environment, "OUTBOX_HOME": str(tmp_path / "home")}

        def start() -> subprocess.Popen[str]:
            return subprocess.Popen(
                [*(sys.executable, "-m", "outbox_client", "fetch", "J"), "--to", tmp_path / "out"],
                cwd=PROJECT,
                env=environment,
                stderr=subprocess.PIPE,
                text=True,
                process_group=0,
            )

        yield start


def with_helpers(process, tmp_path) -> list[int]:
    """Its helpers, once some results are here."""
    until(lambda: len(list(tmp_path.glob("out/*/manifest.json"))) > 300, "results", every=0.01)
    return helpers_of(process.pid)


several = pytest.mark.skipif(
    sys.platform == "linux" and len(os.sched_getaffinity(0)) < 2, reason="there is one processor"
)


@several
def test_a_fetch_whose_helper_is_killed_is_complete(far, tmp_path):
    process = far()
    for helper in with_helpers(process, tmp_path):
        os.kill(helper, signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    # What it was writing stays beside them, as after any kill.
    files = [name for name in files_below(tmp_path / "out") if not name.endswith(".part")]
    assert len(files) == 3000


@several
def test_ctrl_c_ends_all_processes_and_leaves_no_half_file(far, tmp_path):
    process = far()
    helpers = with_helpers(process, tmp_path)
    assert helpers
    for helper in helpers:  # it hears of both at once, the signal and the first process's end
        os.kill(helper, signal.SIGSTOP)
    os.killpg(process.pid, signal.SIGINT)
    for helper in helpers:
        os.kill(helper, signal.SIGCONT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1] == "outbox: interrupted; fetch again to go on from there"
    assert "Traceback" not in said
    assert not any(map(is_running, helpers))
    assert not [name for name in files_below(tmp_path / "out") if name.endswith(".part")]
    again = far()
    assert (again.communicate(timeout=60), again.returncode)[1] == 0
    assert len(files_below(tmp_path / "out")) == 3000


@several
def test_several_processes_bring_what_one_does(tmp_path):
    results = Results(tmp_path / "bucket")
    for number in range(600):
        results.commit(f"Märchen {number % 7}/{number:03}", {"a/text.txt": b"%d" % number})
    key = results.commit("damaged", {"text.txt": b"it"})
    for path in (results.directory / "artifacts" / key).rglob("text.txt"):
        path.write_bytes(b"is")
    results.put("manifests/job=J/odd.json", b"{}")

    command = [sys.executable, "-m", "outbox_client", "fetch", "J", "--json"]

    def fetched(to: str, workers: int):
        done = subprocess.run(
            [*command, "--to", tmp_path / to, "--workers", f"{workers}"],
            cwd=PROJECT,
            env={**os.environ, "OUTBOX_ROOT": results.root, "OUTBOX_HOME": str(tmp_path / "home")},
            check=False,
            capture_output=True,
            text=True,
        )
        said = json.loads(done.stdout.replace(f"{tmp_path / to}/", ""))
        return done.returncode, said | {"to": ""}, files_below(tmp_path / to)

    alone = fetched("alone", 8)
    assert (alone[0], len(alone[2])) == (1, 1200)
    assert fetched("together", 256) == alone
    again = fetched("together", 256)[1]["results"]
    assert sum(one["downloaded"] for one in again) == 0

    # Where one of another template lies in one of the job's own, that one goes first.
    first = results.directory / "manifests" / f"{results.commit('folder', {'text.txt': b'1'})}.json"
    other = json.loads(first.read_bytes()) | {"key": "job=J/folder/x", "item": "x"}
    results.put("manifests/job=J/folder/x.json", json.dumps(other).encode())
    problems = [one for one in fetched("nested", 256)[1]["results"] if one["problem"]]
    assert {one["item"]: one["code"] for one in problems} == {
        "damaged": "CORRUPT_ARTIFACT",
        "x": "UNSAFE_PATH",
    }
