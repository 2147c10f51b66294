"""Somebody else, who reads a key at the worst moments and believes only what is promised."""

import hashlib

from truss_outbox.contract.errors import NotFoundError
from truss_outbox.contract.keys import artifact_key, manifest_key
from truss_outbox.contract.manifest import Manifest
from truss_outbox.stores import ObjectStore


class Reader:
    """`complaints` are the promises it saw broken."""

    def __init__(self, store: ObjectStore, key: str) -> None:
        self.complaints: list[str] = []
        self._store, self._key = store, key
        self._first: bytes | None = None

    def look(self) -> Manifest | None:
        """The manifest, if there is one: complete, and the same as ever."""
        try:
            data = self._store.get(manifest_key(self._key))
        except NotFoundError:
            if self._first is not None:
                self.complaints.append("a committed manifest is gone")
            return None
        if data != (self._first or data):
            self.complaints.append("a committed manifest has changed")
        self._first = data
        manifest = Manifest.from_bytes(data)
        self._check(manifest)
        return manifest

    def _check(self, manifest: Manifest) -> None:
        for artifact in manifest.artifacts:
            try:
                data = self._store.get(artifact_key(manifest.key, manifest.attempt, artifact.name))
            except NotFoundError:
                self.complaints.append(f"{artifact.name} is named and is not there")
                continue
            if hashlib.sha256(data).hexdigest() != artifact.sha256 or len(data) != artifact.size:
                self.complaints.append(f"{artifact.name} is torn")
