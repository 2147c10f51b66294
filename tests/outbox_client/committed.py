"""Results as the model commits them, without a model."""

import datetime

from outbox_client.bucket.bucket import Bucket
from truss_outbox.contract.keys import artifact_key, escape, manifest_key
from truss_outbox.contract.manifest import Artifact, Manifest, ModelInfo, Timings


def a_manifest(job: str, item: str, **changes) -> Manifest:
    key = f"job={escape(job)}/{escape(item)}"
    artifact = Artifact(
        name="text.txt",
        uri=f"s3://outbox/{artifact_key(key, '0a1b2c3d', 'text.txt')}",
        size=5,
        content_type="text/plain",
        sha256="0" * 64,
    )
    known = {
        "key": key,
        "request_id": f"request-of-{item}",
        "job": job,
        "item": item,
        "labels": {"source": "scanner-2"},
        "attempt": "0a1b2c3d",
        "fingerprint": "f" * 64,
        "model": ModelInfo(name="ocr", version="1", environment="production"),
        "created_at": datetime.datetime(2026, 3, 1, 12, 0, 0, 123456, datetime.UTC),
        "timings_ms": Timings(preprocess=1.5, predict=800.25, upload=12.0),
        "result": {"pages": 3, "languages": ["de", "日本"]},
        "artifacts": [artifact],
    }
    return Manifest(**known | changes)


def commit(bucket: Bucket, *manifests: Manifest) -> None:
    for manifest in manifests:
        bucket.create_new(manifest_key(manifest.key), manifest.to_bytes())
