"""A replica that is told to stop (SIGTERM) stores what it has begun, whoever still waits; one
whose code is reloaded goes on storing."""

import contextlib
import hashlib
import http.client
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local_baseten.running import running_locally
from tests.end_to_end.asking import entered, model_input
from tests.end_to_end.reading import watching
from tests.tiny_truss import make_tiny_truss
from tests.waiting import until

pytestmark = pytest.mark.timeout(120)

PATH = "/v1/models/model:predict"

MOMENTS = {
    "before its document is fetched": ("GET", "inputs", False),
    "when its document was fetched": ("GET", "inputs", True),
    "before its manifest is looked for": ("GET", "manifests", False),
    "when its manifest was looked for": ("GET", "manifests", True),
    "before the first artifact": ("PUT", "artifacts", False),
    "after the first artifact": ("PUT", "artifacts", True),
    "between the last artifact and the manifest": ("PUT", "manifests", False),
    "after the manifest, before the answer": ("PUT", "manifests", True),
}
"""The call to the bucket that is held when the signal comes: before it is made, or after."""

FORMS = [
    pytest.param(False, id="explicit", marks=pytest.mark.slow),
    pytest.param(True, id="decorated"),
]


class Caller:
    """A request to the Truss server itself, whose connection can be closed."""

    def __init__(self, server, body, *, path=PATH):
        self._connection = http.client.HTTPConnection(urlsplit(server.model_url).netloc, timeout=60)
        headers = {"content-type": "application/json", "x-baseten-request-id": "r1"}
        headers |= server.model_headers
        self._connection.request("POST", path, json.dumps(body), headers)

    def hang_up(self):
        self._connection.close()

    def answer(self):
        with contextlib.closing(self._connection), self._connection.getresponse() as answer:
            return answer.status, json.loads(answer.read())


@pytest.fixture(scope="module", params=FORMS)
def server(request, tmp_path_factory, model_environment) -> Iterator:
    """Gives the server that is up, as its pid and how it is asked.

    It is started again when it has ended.
    """
    directory = tmp_path_factory.mktemp("terminated")
    truss = make_tiny_truss(directory / "truss", is_decorated=request.param)
    with running_locally(
        truss, state_directory=directory / "state", environment=model_environment
    ) as local:

        def ready():
            running = local.processes()
            (server,) = running.servers
            return (server.pid, running) if server.pid and server.is_ready else None

        yield lambda: until(ready, "the Truss server")


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def ends(pid: int) -> None:
    until(lambda: is_gone(pid), "the end of the server")


def goes_on(pid: int) -> bool:
    """Whether a server that was told to stop is there a second later."""
    try:
        until(lambda: is_gone(pid), "the end of the server", seconds=1)
    except AssertionError:
        return True
    return False


def assert_whole(bucket, job) -> None:
    (manifest,) = bucket.manifests(job)
    assert {artifact.name for artifact in manifest.artifacts} == {"words.txt", "upper.txt"}
    assert bucket.damage(job) == []


@pytest.mark.slow
@pytest.mark.parametrize("is_there", [True, False], ids=["caller there", "caller gone"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_server_that_is_told_to_stop_while_it_uses_the_bucket(
    server, bucket, job, proxy, moment, is_there
):
    method, place, answered = MOMENTS[moment]
    pid, running = server()
    document = f"inputs/{hashlib.sha256(job.encode()).hexdigest()}"
    bucket.put(document, job.encode())
    where = document if place == "inputs" else f"{place}/job%3D{job}/"
    path = f"/outbox/{bucket.prefix}/{where}"
    with watching(bucket, job), proxy.holding(method, path, answered=answered) as hold:
        caller = Caller(running, model_input(job, "a", document={"input": document}))
        assert hold.reached.wait(30)
        if not is_there:
            caller.hang_up()
        os.kill(pid, signal.SIGTERM)
        hold.opened.set()
        if is_there:
            status, pointer = caller.answer()
            assert (status, pointer["result"]) == (200, {"words": 1})
        ends(pid)
    has_begun = method == "PUT"
    if is_there or has_begun or bucket.manifests(job):
        assert_whole(bucket, job)


def test_a_caller_who_hangs_up_during_predict_does_not_end_the_upload(
    server, bucket, job, proxy, gate
):
    pid, running = server()
    path = f"/outbox/{bucket.prefix}/artifacts/job%3D{job}/"
    with watching(bucket, job), proxy.holding("PUT", path, answered=False) as hold:
        caller = Caller(running, model_input(job, "a", gate=str(gate)))
        until(lambda: entered(gate), "predict")
        caller.hang_up()
        os.kill(pid, signal.SIGTERM)
        (gate / "open").touch()
        assert hold.reached.wait(30)
        assert goes_on(pid)
        hold.opened.set()
        ends(pid)
    assert_whole(bucket, job)


@pytest.mark.slow
@pytest.mark.parametrize("is_there", [True, False], ids=["caller there", "caller gone"])
@pytest.mark.parametrize("error", [None, "inference"], ids=["succeeds", "fails"])
def test_a_server_that_is_told_to_stop_during_predict(server, bucket, job, gate, error, is_there):
    pid, running = server()
    with watching(bucket, job):
        caller = Caller(running, model_input(job, "a", gate=str(gate), error=error))
        until(lambda: entered(gate), "predict")
        if not is_there:
            caller.hang_up()
        os.kill(pid, signal.SIGTERM)
        (gate / "open").touch()
        if is_there:
            assert caller.answer()[0] == (500 if error else 200)
        ends(pid)
    if error:
        assert bucket.manifests(job) == []
        assert len(bucket.keys(f"failures/job={job}/")) == 1
        assert bucket.keys(f"artifacts/job={job}/") == []
    else:
        assert_whole(bucket, job)


RELOADED = {
    "result=outputs.result": 'result={"reloaded": True}',
    "return await self._outbox.finish(work)": 'return {"result": {"reloaded": True}}',
}
"""What is changed in model.py, by the form."""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds the server's folder in /proc")
def test_a_hot_reload_takes_the_new_code_and_goes_on_storing(server, bucket, job):
    pid, running = server()
    code = Path(f"/proc/{pid}/cwd").readlink() / "model" / "model.py"
    changed = before = code.read_text()
    for old, new in RELOADED.items():
        changed = changed.replace(old, new)
    assert Caller(running, model_input(job, "a")).answer()[1]["result"] == {"words": 2}
    code.write_text(changed)
    try:
        for _ in range(2):
            reloaded = Caller(running, {}, path="/hot-reload").answer()
            assert reloaded == (200, {"msg": "Hot reload complete"})
        answers = [Caller(running, model_input(job, item)).answer() for item in ("b", "a")]
        refused = Caller(running, model_input(job, "c", error="input")).answer()
    finally:
        code.write_text(before)
        os.kill(pid, signal.SIGTERM)
        ends(pid)
    assert answers[0][1]["result"] == {"reloaded": True}
    assert [status for status, _ in answers] == [200, 200]
    assert refused[0] == 422, refused
    assert {manifest.item for manifest in bucket.manifests(job)} >= {"a", "b"}
