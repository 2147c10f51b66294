"""Ten thousand objects, one in a hundred of them foreign or damaged, under every prefix."""

import hashlib
import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.outbox_client.bucket.neighbours import LISTED, RefusedError, opened
from tests.outbox_client.committed import a_manifest
from truss_outbox.contract.keys import artifact_key, failure_key, manifest_key
from truss_outbox.contract.manifest import Artifact, Failure

FAILURES, ORPHANS = 1_000, 900
FOREIGN_IN = {"manifests/job=J/": 40, "failures/job=J/": 10, "artifacts/job=J/": 50}
FOREIGN_IN |= {"index/job=J/": 5, "probes/": 5, "jobs/": 5, "inputs/": 5}


def objects(results):
    """Path and content of each; results, failure records and orphans are true ones."""
    for number in range(results):
        key, data = f"job=J/{number}", str(number).encode()
        artifact = Artifact(
            name="text.txt",
            uri=f"s3://outbox/{artifact_key(key, '0a1b2c3d', 'text.txt')}",
            size=len(data),
            content_type="text/plain",
            sha256=hashlib.sha256(data).hexdigest(),
        )
        manifest = a_manifest("J", str(number), artifacts=[artifact])
        yield artifact_key(key, "0a1b2c3d", "text.txt"), data
        yield manifest_key(key), manifest.to_bytes()
    for number in range(FAILURES):
        known = a_manifest("J", f"failed-{number}")
        failure = Failure(
            **{name: getattr(known, name) for name in ("key", "request_id", "attempt", "model")},
            code="INFERENCE_ERROR",
            message="no",
            retryable=True,
            created_at=known.created_at,
        )
        yield failure_key(known.key, known.attempt), failure.to_bytes()
    for number in range(ORPHANS):
        yield artifact_key(f"job=J/lost-{number}", "0a1b2c3d", "text.txt"), b"lost"


def foreign():
    """By turns a marker, a file, an odd key, and what looks like a record and is none."""
    for prefix, count in FOREIGN_IN.items():
        for number in range(count):
            name = {
                0: f"{number}-folder/",
                1: f"{number}-notes.txt",
                2: f"{number} ü.json",
                3: f"{number}-torn.json" if "manifests" in prefix else f"{number}//x.json",
            }[number % 4]
            yield prefix + name, b"" if name.endswith("/") else b"{torn"


@pytest.mark.slow  # test_neighbours.py has a few of each kind
@pytest.mark.parametrize(
    ("kind", "results"),
    [("seaweedfs", 4_000), ("directory", 4_000), ("moto", 200)],  # moto is slow
)
def test_every_command_ends_and_names_them_once(
    kind, results, outbox, naming, request, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    there = opened(kind, request, naming, uuid.uuid4().hex[:8])
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda one: there.bucket.create(*one), objects(results)))
    for key, data in foreign():
        try:
            there.put(key, data)
            there.foreign.append(key)
        except RefusedError:
            continue
    options = {"fetch": ["--to", "out"], "sweep": ["--older-than", "0s"]}

    for command, prefixes in LISTED.items():
        if kind == "directory" and command == "presign":
            continue
        job = [] if command == "sweep" else ["J"]
        arguments = (command, *job, *options.get(command, []), "--json")
        result = outbox(*arguments, **there.environment)
        assert result.exit_code == 0, result.output[-2000:]
        document = json.loads(result.stdout)
        named = [one["key"] for one in document["foreign"]["objects"]]
        assert sorted(named) == sorted(there.below(prefixes)), command
        done = {
            "fetch": lambda answer: len(answer["results"]) == results,
            "index": lambda answer: answer["added"] == results,
            "report": lambda answer: answer["failures"] == {"INFERENCE_ERROR": FAILURES},
            "presign": lambda answer: len(answer["links"]) == results,
            "sweep": lambda answer: len(answer["orphans"]) == ORPHANS,
        }
        assert done[command](document), command
