"""As another user of this machine, with curl."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local_baseten.buckets.s3 import BucketServer
from local_baseten.running import LocalBaseten, running_locally
from local_baseten.state_directory import StateDirectory, private_files
from tests.canaries import seed
from tests.local_baseten.conftest import TRUSSES
from tests.local_baseten.ports.asking import (
    KEPT,
    QUESTIONS,
    ask_all,
    ports_of,
    ports_of_bucket,
    sockets_of,
)

CONTENT = seed("a manifest").encode()
S3, STAND_IN = "the bucket: s3.port", "the stand-in"
# The page without its data, and that S3 runs: nothing that was stored, sent or computed.
FOR_EVERYBODY = {
    (STAND_IN, "GET /"),
    (S3, "GET that it runs"),
    (S3, "GET the volumes' state"),
}
FEW = [
    one
    for one in QUESTIONS
    if one.name in {"GET a manifest from S3", "GET a manifest from the filer", "PUT to the filer"}
    or one.name.endswith(("LookupDirectoryEntry", "GetMasterConfiguration", "VolumeServerStatus"))
]


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Iterator[LocalBaseten]:
    """Where all files before were for everybody, and so is what is made without a mode."""
    place = tmp_path_factory.mktemp("ports")
    for name in ("queue.sqlite3", "stand-in.log", "environment"):
        (place / "state").mkdir(mode=0o755, exist_ok=True)
        (place / "state" / name).touch(mode=0o644)
    before = os.umask(0)
    try:
        with running_locally(
            TRUSSES / "obedient", state_directory=place / "state", bucket_directory=place / "bucket"
        ) as running:
            yield running
    finally:
        os.umask(before)


def open_to_others(*paths: Path) -> list[Path]:
    return [path for path in paths if path.stat().st_mode & 0o077]


@pytest.mark.slow
def test_what_the_bucket_listens_on_gives_and_takes_nothing(seaweedfs):
    with seaweedfs.client() as client:
        client.put_object(Bucket="outbox", Key=KEPT, Body=CONTENT)
        answers = ask_all(ports_of_bucket(seaweedfs), FEW)
        assert client.get_object(Bucket="outbox", Key=KEPT)["Body"].read() == CONTENT
        client.delete_object(Bucket="outbox", Key=KEPT)
    assert [one for one in answers if one.gives_something] == []
    assert len({one.port for one in answers}) == 10


def test_the_buckets_sockets_are_its_owners(seaweedfs):
    sockets = sockets_of(seaweedfs.pid)

    assert len(sockets) > 5
    assert open_to_others(*sockets) == []


def bucket_of(local: LocalBaseten) -> BucketServer:
    return BucketServer(
        endpoint_url=local.environment["OUTBOX_ENDPOINT_URL"],
        access_key_id=local.environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=local.environment["AWS_SECRET_ACCESS_KEY"],
        pid=local.processes().bucket,
    )


@pytest.mark.slow
def test_no_port_gives_or_takes_anything(local):
    with bucket_of(local).client() as client:
        client.put_object(Bucket="outbox", Key=KEPT, Body=CONTENT)
        answers = ask_all(ports_of(local), QUESTIONS)
        assert client.get_object(Bucket="outbox", Key=KEPT)["Body"].read() == CONTENT
    given = {(one.port.owner, one.question.name) for one in answers if one.gives_something}
    assert given == FOR_EVERYBODY
    assert len({one.port for one in answers}) == 12
    assert not any(CONTENT.decode() in one.text for one in answers)


@pytest.mark.slow
def test_the_key_is_only_where_its_owner_reads(local):
    assert local.api_key == (local.state_directory / "api-key").read_text()
    assert local.environment["BASETEN_API_KEY"] == local.api_key
    assert local.api_key not in " ".join(psutil.Process(local.processes().stand_in).cmdline())


@pytest.mark.slow
def test_what_it_keeps_is_its_owners_whatever_made_the_folder(local):
    state = local.state_directory
    bucket = Path(state.parent, "bucket")

    assert open_to_others(state, bucket, *state.glob("*"), *bucket.glob("*")) == []


def test_a_folder_that_was_there_is_taken_from_all_others(tmp_path):
    place = tmp_path / "state"
    place.mkdir(mode=0o755)
    names = ["queue.sqlite3", "queue.sqlite3-wal", "queue.sqlite3-shm", "environment", "lock"]
    for name in names:
        (place / name).touch(mode=0o644)

    StateDirectory(place).make()

    assert open_to_others(place, *place.iterdir()) == []


def test_the_key_is_made_once_for_each_state_directory_and_is_its_owners(tmp_path):
    one, other = (StateDirectory(tmp_path / name) for name in ("one", "other"))
    one.make()
    other.make()

    assert one.api_key() == one.api_key() != other.api_key()
    assert len(one.api_key()) == 40
    assert open_to_others(*one.path.iterdir()) == []


def test_what_is_made_meanwhile_is_its_owners_and_the_umask_comes_back(tmp_path):
    before = os.umask(0)
    try:
        with private_files():
            (tmp_path / "file").touch()
        (tmp_path / "other").touch()
    finally:
        os.umask(before)

    assert open_to_others(*tmp_path.iterdir()) == [tmp_path / "other"]
