"""A bucket with jobs whose names begin alike, sent, stored and indexed as they are in truth."""

import datetime
from pathlib import Path
from typing import Any

from outbox_client import Batch, Deployment, Item, Journal, Naming, index, submit, wait
from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.bucket.records import artifacts_of, listed_manifests, read_manifest
from outbox_client.deleting.delete import delete
from outbox_client.deleting.deletion import Deletion, Scope
from outbox_client.indexing.results import results
from tests.outbox_client.fake_service import FakeService
from truss_outbox.contract.keys import DEFAULT_TEMPLATE, KeyTemplate, artifact_key
from truss_outbox.stores import open_store

TOLD_LATER = datetime.timedelta(hours=3)
"""After so long no sender goes on, and what no manifest names is old."""


class World:
    """Everything below `directory`, which is the bucket; each job has a journal of its own."""

    def __init__(self, directory: Path, template: str = DEFAULT_TEMPLATE) -> None:
        self.directory = directory
        self.root = f"file://{directory / 'bucket'}"
        self.bucket = open_bucket(self.root)
        self.naming = Naming(template=KeyTemplate.parse(template))
        store = open_store(self.root)
        self.service = FakeService(store, self.naming, directory / "model")
        self.deployment = Deployment(api=self.service, bucket=self.bucket, naming=self.naming)

    def send(self, job: str, texts: dict[str, str], **more: Any) -> None:
        """Each text is a file, sent by way of the bucket, and stored as a result."""
        folder = self.directory / "files"
        folder.mkdir(exist_ok=True)
        items = []
        for number, (name, text) in enumerate(texts.items()):
            path = folder / f"{number}-{len(list(folder.iterdir()))}"
            path.write_text(text)
            labels = {"parity": "odd" if number % 2 else "even"}
            found = Item.of_file(path, name)
            items.append(Item(name=name, inputs=found.inputs, labels=labels, size=found.size))
        with self.journal(job) as journal:
            batch = Batch(job=job, stage=True, **more)
            submit(items, batch, deployment=self.deployment, journal=journal)
            list(wait(journal, deployment=self.deployment))

    def journal(self, job: str):
        home = self.directory / "home"
        return Journal.opened(home, job=job, root=self.root, create=True)

    def index(self, job: str, **more: Any) -> None:
        home = self.directory / "home"
        index(job, bucket=self.bucket, naming=self.naming, home=home, **more)

    def delete(self, job: str, *, bucket: Bucket | None = None, **selection: Any) -> Deletion:
        """In truth, and as if some hours had passed."""
        is_dry = selection.pop("is_dry", False)
        now = selection.pop("now", datetime.datetime.now(datetime.UTC) + TOLD_LATER)
        return delete(
            job,
            bucket=bucket or self.bucket,
            naming=selection.pop("naming", self.naming),
            selection=Scope(**selection),
            is_dry=is_dry,
            now=now,
        )

    def everything(self) -> dict[str, bytes]:
        root = self.directory / "bucket"
        files = (path for path in root.rglob("*") if path.is_file())
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}

    def about(self, *needles: str) -> set[str]:
        """The keys of what has one of these texts in its key or its bytes."""
        return {
            key
            for key, data in self.everything().items()
            if any(needle in key or needle.encode() in data for needle in needles)
        }

    def items(self, job: str) -> list[str]:
        """As the job's index has them."""
        found = results(self.root, job, refresh=False, key_template=self.naming.template.text)
        return sorted(one.manifest.item for one in found)

    def check_whole(self) -> None:
        """What any reader sees now is whole: in the listing, and in the indexes."""
        for found in listed_manifests(self.bucket, ""):
            manifest, _ = read_manifest(self.bucket, found.key)
            for artifact in artifacts_of(self.bucket, manifest):
                key = artifact_key(manifest.key, manifest.attempt, artifact.name)
                assert self.bucket.size(key) == artifact.size
        for job in ("a", "ab"):
            for one in results(self.root, job, refresh=False):
                found, _ = read_manifest(self.bucket, f"manifests/{one.manifest.key}.json")
                assert found.attempt == one.manifest.attempt


SHARED = "a text that both jobs have sent"
OWN = ("contract of Mrs Smith", "x", "x/y", "deadbeef", "ünï cödé")


def two_jobs(directory: Path, template: str = DEFAULT_TEMPLATE) -> World:
    """Jobs `a` and `ab`: indexed, each with a failure record and an item that has no result."""
    world = World(directory, template)
    world.send("a", {name: f"only a has {name}" for name in OWN} | {"shared": SHARED})
    world.send("ab", {"x": "only ab has x", "deadbeef": "ab", "shared": SHARED})
    for job in ("a", "ab"):
        key = f"job={job}/lost"
        world.service.statuses["lost"] = None  # its record alone counts
        world.service.fail("lost", key, code="MODEL", message=f"{job} failed on it")
        world.bucket.create(f"artifacts/job={job}/lost/00000000/half.bin", b"half")
        world.index(job, part_rows=2)
    return world
