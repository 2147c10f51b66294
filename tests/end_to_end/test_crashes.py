"""kill -9 at every moment that matters: every accepted request ends in one whole result."""

import os
import signal

import httpx
import pytest

from local_baseten.running import running_locally
from tests.end_to_end.asking import entered, final_status, submit
from tests.end_to_end.reading import watching
from tests.end_to_end.s3_proxy import S3Proxy
from tests.waiting import until

pytestmark = pytest.mark.timeout(120)
SLOW = pytest.mark.slow
"""Before anything is stored, a kill differs in nothing from one during predict."""


def kill_the_truss_server(local) -> None:
    os.kill(local.processes().truss_server, signal.SIGKILL)


def assert_one_whole_result(bucket, job, item, status) -> None:
    assert status["status"] == "SUCCEEDED", status
    (manifest,) = bucket.manifests(job)
    assert manifest.item == item
    assert manifest.request_id == status["request_id"]
    assert {artifact.name for artifact in manifest.artifacts} == {"words.txt", "upper.txt"}
    assert bucket.damage(job) == []


def test_a_server_killed_during_predict(local, api, bucket, job, gate):
    with watching(bucket, job):
        request_id = submit(api, job, "a", gate=str(gate))
        until(lambda: entered(gate), "predict")
        kill_the_truss_server(local)
        (gate / "open").touch()
        status = final_status(api, request_id)
    assert entered(gate) == 2
    assert_one_whole_result(bucket, job, "a", status)


@pytest.mark.parametrize(
    ("method", "place", "answered"),
    [
        pytest.param("PUT", "artifacts", False, id="before the first artifact", marks=SLOW),
        pytest.param("PUT", "artifacts", True, id="after the first artifact", marks=SLOW),
        pytest.param("PUT", "manifests", False, id="between the last artifact and the manifest"),
        pytest.param(
            "PUT", "manifests", True, id="after the manifest, before the answer", marks=SLOW
        ),
        pytest.param("GET", "manifests", True, id="while looking for a manifest", marks=SLOW),
    ],
)
def test_a_server_killed_while_it_stores(
    local, api, bucket, job, proxy: S3Proxy, method, place, answered
):
    path = f"/outbox/{bucket.prefix}/{place}/job%3D{job}/"
    with watching(bucket, job), proxy.holding(method, path, answered=answered) as hold:
        request_id = submit(api, job, "a")
        assert hold.reached.wait(30)
        kill_the_truss_server(local)
        hold.opened.set()
        status = final_status(api, request_id)
    assert_one_whole_result(bucket, job, "a", status)


@pytest.mark.slow
def test_a_stand_in_killed_with_requests_queued_and_running(
    tiny_truss, model_environment, bucket, job, gate, tmp_path
):
    def start():
        return running_locally(
            tiny_truss,
            state_directory=tmp_path / "state",
            concurrency_target=2,
            environment=model_environment,
        )

    def client(local):
        headers = {"Authorization": f"Api-Key {local.api_key}"}
        return httpx.Client(base_url=local.base_url, headers=headers, timeout=60)

    items = [f"item-{number}" for number in range(6)]
    with watching(bucket, job):
        with start() as local, client(local) as api:
            request_ids = [submit(api, job, item, gate=str(gate)) for item in items]
            until(lambda: entered(gate) == 2, "two requests running")
            os.kill(local.processes().stand_in, signal.SIGKILL)
        (gate / "open").touch()
        with start() as local, client(local) as api:
            statuses = [final_status(api, request_id) for request_id in request_ids]
    assert [status["status"] for status in statuses] == ["SUCCEEDED"] * 6
    assert sorted(manifest.item for manifest in bucket.manifests(job)) == items
    assert bucket.damage(job) == []
