"""Every command outlasts a bucket's bad minute, and a network that loses one call in twenty."""

import contextlib
import hashlib
import json
import os
import random
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from local_baseten.buckets.s3 import BucketServer
from outbox_client import Naming
from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.upkeep.found import Orphan
from outbox_client.upkeep.sweep import sweep_attempts
from tests.faults.fault_plan import Plan, Resets, Storm
from tests.faults.faulty_network import FaultyNetwork, faulty_network
from tests.outbox_client.fake_service import FakeService
from tests.outbox_client.http_service import API_KEY, Faults, running_service
from truss_outbox.contract.keys import KeyTemplate, artifact_key, manifest_key
from truss_outbox.contract.manifest import Artifact, Manifest, ModelInfo
from truss_outbox.stores import S3Options, open_store

JOB, ATTEMPT, ORPHANED = "J", "0123abcd", "fedcba98"
LARGE = random.Random(5).randbytes(40 << 20)
STORM_SECONDS = 20


@pytest.fixture(autouse=True)
def form():
    """These ask no model."""


class World(NamedTuple):
    """A bucket of its own, filled with results and orphans, behind a network."""

    root: str
    direct: Bucket
    network: FaultyNetwork
    environment: dict[str, str]
    service: FakeService


def fill(bucket: Bucket, *, results: int, large: bytes) -> None:
    def commit(number: int) -> None:
        data = large if number == 0 else f"text of {number}".encode()
        key = f"job={JOB}/{number:05}"
        path = artifact_key(key, ATTEMPT, "a.bin")
        artifact = Artifact(
            name="a.bin",
            uri=f"{bucket.root}/{path}",
            size=len(data),
            content_type="application/octet-stream",
            sha256=hashlib.sha256(data).hexdigest(),
        )
        manifest = Manifest(
            key=key,
            request_id=f"R-{number}",
            job=JOB,
            item=f"{number:05}",
            attempt=ATTEMPT,
            fingerprint="0" * 64,
            model=ModelInfo(name="M", version="1"),
            created_at=datetime.now(UTC),
            artifacts=[artifact],
        )
        bucket.create(path, data)
        bucket.create(manifest_key(key), manifest.to_bytes())
        if number % 10 == 0:
            bucket.create(artifact_key(key, ORPHANED, "a.bin"), b"orphaned")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(commit, range(results)))


@contextlib.contextmanager
def world(
    seaweedfs: BucketServer, options: S3Options, folder: Path, plan: Plan, *, results: int
) -> Iterator[World]:
    prefix = f"bad-minute/{uuid.uuid4().hex[:8]}"
    root = f"{seaweedfs.root}/{prefix}"
    direct = open_bucket(root, endpoint_url=seaweedfs.endpoint_url)
    fill(direct, results=results, large=LARGE if results > 1000 else LARGE[: 5 << 20])
    naming = Naming(template=KeyTemplate.parse("job={job}/{item}"))
    service = FakeService(open_store(root, s3=options), naming, folder / "model")
    with (
        running_service(service, Faults()) as base_url,
        faulty_network(
            seaweedfs.endpoint_url, plan, root=f"/outbox/{prefix}", stall_seconds=0
        ) as network,
    ):
        environment = seaweedfs.environment | {
            "OUTBOX_ROOT": root,
            "OUTBOX_ENDPOINT_URL": network.url,
            "OUTBOX_HOME": str(folder / "home"),
            "OUTBOX_BASE_URL": base_url,
            "BASETEN_API_KEY": API_KEY,
        }
        yield World(root, direct, network, environment, service)


def commands(folder: Path) -> dict[str, list[str]]:
    return {
        "fetch": ["fetch", JOB, "--to", str(folder / "results"), "--json"],
        "index": ["index", JOB, "--json"],
        "sweep": ["sweep", "--older-than", "1m", "--json"],
        "report": ["report", JOB, "--to", str(folder / "report.html"), "--json"],
        "presign": ["presign", JOB, "--json"],
    }


def begin(there: World, arguments: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "outbox_client", *arguments],
        env={**os.environ, **there.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(name: str, process: subprocess.Popen[str]) -> tuple[dict, str]:
    said, noted = process.communicate(timeout=200)
    assert process.returncode == 0, f"{name}: {process.returncode}: {noted}"
    return json.loads(said), noted


def check(answers: dict[str, dict], there: World, folder: Path, *, results: int) -> None:
    fetched = sorted((folder / "results").rglob("a.bin"))
    assert len(fetched) == results
    assert (
        hashlib.sha256(fetched[0].read_bytes()).digest()
        == hashlib.sha256(
            there.direct.get(artifact_key(f"job={JOB}/00000", ATTEMPT, "a.bin"))
        ).digest()
    )
    assert (answers["index"]["added"], answers["index"]["problems"]) == (results, [])
    assert len(answers["presign"]["links"]) == results
    assert (folder / "report.html").stat().st_size > 0
    assert answers["report"]["results"] == results


def sweep(there: World, *, before: datetime) -> set[str]:
    """With deletions, which the command makes of nothing as young."""
    bucket = open_bucket(there.root, endpoint_url=there.network.url)
    found = list(sweep_attempts(bucket, before=before, delete=True))
    assert all(isinstance(one, Orphan) and one.deleted for one in found)
    return {one.prefix for one in found}


@pytest.fixture
def documents(tmp_path) -> Path:
    folder = tmp_path / "documents"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number:02}.txt").write_bytes(b"word " * number)
    # Too large for a request, and for one part: they go into the bucket ahead of it.
    (folder / "staged.bin").write_bytes(os.urandom(1 << 20))
    (folder / "streamed.bin").write_bytes(os.urandom(30 << 20))
    return folder


def check_run(answer: dict, service: FakeService, folder: Path) -> None:
    assert answer["counts"] == {"succeeded": 42}
    assert service.inferences == 42
    assert len(list((folder / "run").rglob("manifest.json"))) == 42


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["storm", "resets"])
def test_every_command_outlasts_it(
    kind, seaweedfs, seaweedfs_options, tmp_path, documents, monkeypatch
):
    for name, value in seaweedfs.environment.items():
        monkeypatch.setenv(name, value)
    storm = Storm(after=random.randrange(50, 3000), seconds=STORM_SECONDS)
    plan = storm if kind == "storm" else Resets(rate=0.05, seed=random.randrange(1 << 30))
    with (
        world(seaweedfs, seaweedfs_options, tmp_path, plan, results=1200) as there,
        ThreadPoolExecutor(1) as pool,
    ):
        swept = pool.submit(sweep, there, before=datetime.now(UTC))
        began = {name: begin(there, words) for name, words in commands(tmp_path).items()}
        if kind == "storm":
            assert storm.began.wait(60)
        run = ["run", str(documents), "--job", "R", "--to", str(tmp_path / "run"), "--json"]
        began["run"] = begin(there, run)
        answers, notes = {}, {}
        for name, process in began.items():
            answers[name], notes[name] = end(name, process)
        check(answers, there, tmp_path, results=1200)
        assert len(swept.result()) == 120
        check_run(answers["run"], there.service, tmp_path)
    if kind == "storm":
        assert storm.refused > len(began)
        assert notes["run"].count("going on for up to 120 s") == 1
    else:
        assert plan.count > 50
