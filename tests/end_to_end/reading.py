"""A downstream job that looks at the bucket all the time and trusts the contract."""

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from truss_outbox.contract.manifest import Manifest


@dataclass
class Bucket:
    """Plain boto3 on one prefix of one bucket: no code of the project but the manifest's."""

    client: Any
    name: str
    prefix: str

    def keys(self, under: str = "") -> list[str]:
        base = f"{self.prefix}/" if self.prefix else ""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=base + under
        )
        found = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return [key.removeprefix(base) for key in found]

    def get(self, key: str) -> bytes:
        answer = self.client.get_object(Bucket=self.name, Key=f"{self.prefix}/{key}".lstrip("/"))
        with contextlib.closing(answer["Body"]) as body:
            return body.read()

    def put(self, key: str, content: bytes) -> None:
        self.client.put_object(
            Bucket=self.name, Key=f"{self.prefix}/{key}".lstrip("/"), Body=content
        )

    def manifests(self, job: str) -> list[Manifest]:
        return [Manifest.from_bytes(self.get(key)) for key in self.keys(f"manifests/job={job}/")]

    def damage(self, job: str) -> list[str]:
        """What no reader may ever see: an artifact that is missing or not as promised."""
        return [
            f"{manifest.key}: {artifact.name}"
            for manifest in self.manifests(job)
            for artifact in manifest.artifacts
            if self._sha256(manifest, artifact.name) != artifact.sha256
        ]

    def _sha256(self, manifest: Manifest, name: str) -> str | None:
        try:
            data = self.get(f"artifacts/{manifest.key}/{manifest.attempt}/{name}")
        except self.client.exceptions.NoSuchKey:
            return None
        return hashlib.sha256(data).hexdigest()


@dataclass
class Watch:
    """What a reader saw that looked again and again until the block ended."""

    rounds: int = 0
    damage: list[str] = field(default_factory=list)
    failed: list[BaseException] = field(default_factory=list)


@contextlib.contextmanager
def watching(bucket: Bucket, job: str) -> Iterator[Watch]:
    watch, over = Watch(), threading.Event()

    def look() -> None:
        try:
            while not over.wait(0.1):
                watch.damage += bucket.damage(job)
                watch.rounds += 1
        except Exception as error:  # noqa: BLE001 - told to the test below
            watch.failed.append(error)

    reader = threading.Thread(target=look)
    reader.start()
    try:
        yield watch
    finally:
        over.set()
        reader.join()
        assert not watch.failed, watch.failed
        assert watch.rounds > 0
        assert watch.damage == []
