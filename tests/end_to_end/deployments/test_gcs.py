"""A Truss that writes to Google Cloud Storage (its emulator), through the real Truss server."""

import hashlib

import httpx

from local_baseten.running import running_locally
from outbox_client.bucket.open_bucket import open_bucket
from tests.end_to_end.asking import final_status, submit
from truss_outbox.stores import open_store
from truss_outbox.stores.commit import find_manifest

ROOT = "gs://outbox/end-to-end"


def test_a_result_is_committed_to_gcs_once(tiny_truss, gcs_options, job, tmp_path):
    environment = {"OUTBOX_ROOT": ROOT, "OUTBOX_ENDPOINT_URL": gcs_options.endpoint_url}
    with (
        running_locally(
            tiny_truss, state_directory=tmp_path / "state", environment=environment
        ) as local,
        httpx.Client(
            base_url=local.base_url,
            headers={"Authorization": f"Api-Key {local.api_key}"},
            timeout=60,
        ) as api,
    ):
        for _ in range(2):
            request_id = submit(api, job, "a", text="two words", artifact_bytes=9 << 20)
            assert final_status(api, request_id)["status"] == "SUCCEEDED"
        conflicting = submit(api, job, "a", text="other words")
        assert final_status(api, conflicting)["status"] == "FAILED"
    manifest = find_manifest(open_store(ROOT, gcs=gcs_options), f"job={job}/a")
    assert manifest.result == {"words": 2}
    bucket = open_bucket(ROOT, endpoint_url=gcs_options.endpoint_url)
    prefix = f"artifacts/{manifest.key}/"
    stored = {key.removeprefix(f"{prefix}{manifest.attempt}/") for key in bucket.keys(prefix)}
    assert stored == {artifact.name for artifact in manifest.artifacts}
    for artifact in manifest.artifacts:
        data = bucket.get(artifact.uri.removeprefix(f"{ROOT}/"))
        assert hashlib.sha256(data).hexdigest() == artifact.sha256
