"""What is not Outbox's under its prefixes is named once, and changes nothing else."""

import contextlib
import json
import logging
import uuid
from collections import Counter

import pytest

from outbox_client import Batch, Deployment, Item, Journal, results, submit
from outbox_client.following.tracker import Tracker
from outbox_client.journal.states import State
from tests.outbox_client.bucket.neighbours import LISTED, Neighbours, RefusedError, opened
from truss_outbox.contract.text import printable

KINDS = [
    pytest.param("seaweedfs", marks=pytest.mark.slow),
    "moto",
    pytest.param("fake-gcs-server", marks=pytest.mark.slow),
    "directory",
]
ITEMS = ["a", "b", "sub/c"]


@pytest.fixture(params=KINDS)
def neighbours(request, naming) -> Neighbours:
    """Three results of a job, and others' objects between them."""
    made = opened(request.param, request, naming, uuid.uuid4().hex[:8])
    for item in ITEMS:
        metadata = {"job": "J", "item": item}
        document = {"base64": "aGVsbG8="}
        made.service.submit({"model_input": {"document": document, "metadata": metadata}})
    made.move_in()
    return made


@pytest.fixture
def run(outbox, neighbours, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = {"fetch": ["J", "--to", "out"], "sweep": ["--older-than", "24h"]}

    def run(command, *further):
        arguments = options.get(command, ["J"])
        return outbox(command, *arguments, *further, **neighbours.environment)

    return run


def can(command: str, neighbours: Neighbours) -> bool:
    """A directory has no links; fake-gcs-server takes no uploads of obstore's."""
    scheme = neighbours.bucket.root.partition(":")[0]
    return scheme in {"presign": {"s3"}, "index": {"s3", "file"}}.get(command, {scheme})


@pytest.mark.parametrize("command", LISTED)
def test_each_is_named_once_and_the_command_ends_well(run, neighbours, command):
    if not can(command, neighbours):
        return
    expected = neighbours.below(LISTED[command])
    assert len(expected) > 1

    as_json = run(command, "--json")
    as_text = run(command)

    assert (as_json.exit_code, as_text.exit_code) == (0, 0), as_text.output
    foreign = json.loads(as_json.stdout)["foreign"]
    assert {one["key"] for one in foreign["objects"]} == expected
    assert foreign["count"] == len(foreign["objects"]) == len(expected)
    *named, last = [line for line in as_text.stderr.splitlines() if "passed over" in line]
    if len(expected) > 10:
        assert last == f"and {len(expected) - 10} more passed over; --json lists them"
    else:
        named.append(last)
    keys = [line.removeprefix("passed over: ").split(": ")[0] for line in named]
    assert set(keys) <= {printable(key) for key in expected}
    assert max(Counter(keys).values()) == 1
    assert len(keys) == min(10, len(expected))


def test_every_result_is_fetched_indexed_reported_and_linked(run, neighbours):
    document = json.loads(run("fetch", "--json").stdout)
    assert [one["item"] for one in document["results"]] == ITEMS
    if can("index", neighbours):
        assert json.loads(run("index", "--json").stdout)["added"] == len(ITEMS)
    assert json.loads(run("report", "--json").stdout)["results"] == len(ITEMS)
    if can("presign", neighbours):
        assert {one["item"] for one in json.loads(run("presign", "--json").stdout)["links"]} == {
            *ITEMS
        }
    swept = json.loads(run("sweep", "--json").stdout)
    assert (swept["orphans"], swept["kept"], swept["undeleted"]) == ([], [], [])


@pytest.mark.parametrize("neighbours", ["moto", "directory"], indirect=True)
def test_results_go_on_and_the_log_names_them(neighbours, caplog):
    caplog.set_level(logging.WARNING, logger="outbox_client")
    endpoint_url = neighbours.environment.get("OUTBOX_ENDPOINT_URL")
    found = results(neighbours.bucket.root, "J", endpoint_url=endpoint_url)
    assert [one.manifest.item for one in found] == ITEMS
    logged = [one.args[0] for one in caplog.records if one.name.startswith("outbox_client")]
    assert sorted(logged) == sorted(neighbours.below(LISTED["index"]))


@pytest.mark.parametrize("path", ["manifests/job=J/{}.json/", "manifests/job=J/{}.json"])
@pytest.mark.parametrize("neighbours", ["moto", "fake-gcs-server"], indirect=True)
def test_an_empty_object_is_no_awaited_result(neighbours, naming, tmp_path, path):
    neighbours.service.held = True
    bucket = neighbours.bucket
    deployment = Deployment(api=neighbours.service, bucket=bucket, naming=naming)
    items = [Item(name=name, inputs={"text": name}, size=1, place="here") for name in ("y", "z")]
    with Journal.opened(tmp_path / "home", job="J", root=bucket.root, create=True) as journal:
        submit(items, Batch(job="J"), deployment=deployment, journal=journal)
        neighbours.put(path.format("y"), b"")

        Tracker(journal, deployment=deployment).look()

        assert journal.counts() == {State.SENT: 2}
    assert path.format("y") in {one.key for one in neighbours.bucket.foreign}


@pytest.mark.parametrize("neighbours", ["moto", "seaweedfs"], indirect=True)
def test_a_submitted_prefix_is_sent_without_them(neighbours, outbox):
    docs, odd = "inputs/docs/", ["", "sub/"]
    for name in ("a.txt", "sub/b.txt", "sub/b.txt/c.txt"):
        neighbours.put(docs + name, b"text")
    for name in odd:
        neighbours.put(docs + name, b"")
    for name in ("x//y", "./y", "bell\a", "back\\slash"):
        with contextlib.suppress(RefusedError):
            neighbours.put(docs + name, b"text")
            odd.append(name)

    result = outbox(
        *("submit", f"{neighbours.bucket.root}/{docs}", "--job", "J", "--dry-run", "--json"),
        **neighbours.environment,
    )

    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert [one["item"] for one in document["items"]] == ["a.txt", "sub/b.txt", "sub/b.txt/c.txt"]
    foreign = {one["key"] for one in document["foreign"]["objects"]}
    assert foreign == {docs + name for name in odd}
