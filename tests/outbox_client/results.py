"""Results in a bucket that is a directory, true ones and others."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from outbox_client import Naming, fetch
from outbox_client.bucket.open_bucket import open_bucket
from truss_outbox.contract.keys import KeyTemplate, short_segment
from truss_outbox.contract.manifest import Artifact, Manifest, ModelInfo

JOB = "J"
ATTEMPT = "0123abcd"
NAMING = Naming(template=KeyTemplate.parse("job={job}/{item}"))


class Results:
    """The bucket below `directory`, filled by hand and read with obstore."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = f"file://{directory}"
        self.bucket = open_bucket(self.root)

    def commit(self, item: str, files: dict[str, bytes], **changes: Any) -> str:
        """Returns its key; `changes` are what the manifest says instead of the truth."""
        key = f"job={JOB}/{short_segment(item)}"
        for name, data in files.items():
            self.put(f"artifacts/{key}/{ATTEMPT}/{name}", data)
        manifest = Manifest(
            key=key,
            request_id=f"R-{item}",
            job=JOB,
            item=item,
            attempt=ATTEMPT,
            fingerprint="0" * 64,
            model=ModelInfo(name="M", version="1"),
            created_at=datetime.now(UTC),
            artifacts=[_artifact(name, data) for name, data in files.items()],
        )
        data = manifest.to_bytes()
        if changes:
            data = json.dumps(json.loads(data) | changes).encode()
        self.put(f"manifests/{key}.json", data)
        return key

    def put(self, key: str, data: bytes) -> Path:
        path = self.directory / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def fetch(self, to: Path, **options: Any):
        options = {"bucket": self.bucket, "naming": NAMING} | options
        return fetch(JOB, to, **options)


def artifact(name: str, data: bytes = b"data", **changes: Any) -> dict[str, Any]:
    """As a manifest has it, with `changes`."""
    document: dict[str, Any] = json.loads(_artifact("name", data).model_dump_json())
    return document | {"name": name} | changes


def files_below(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def _artifact(name: str, data: bytes) -> Artifact:
    return Artifact(
        name=name,
        uri=f"file:///{name}",
        size=len(data),
        content_type="text/plain",
        sha256=hashlib.sha256(data).hexdigest(),
    )
