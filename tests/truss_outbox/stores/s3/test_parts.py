"""Large files travel to S3 in parts."""

import dataclasses
import hashlib
import random
import threading

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.truss_outbox.stores.conftest import MOTO
from tests.truss_outbox.stores.s3.front_door import FrontDoor, Refusal, running_front_door
from truss_outbox.contract.errors import (
    AccessDeniedError,
    NotFoundError,
    StoreError,
    StoreUnavailableError,
)
from truss_outbox.retrying import without_pauses
from truss_outbox.stores import RetryingStore, open_store
from truss_outbox.stores.s3.file_sections import open_section
from truss_outbox.stores.streams import FileDigest

MIB = 1 << 20
DATA = random.Random(1).randbytes(13 * MIB + 5)
SHA256 = hashlib.sha256(DATA).hexdigest()
SIZES = {
    "s3_multipart_threshold_bytes": 6 * MIB,
    "s3_part_bytes": 5 * MIB,
    "store_timeout_seconds": 5,
}


@pytest.fixture(params=["seaweedfs", MOTO])
def server_options(request):
    options = request.getfixturevalue(f"{request.param}_options")
    return dataclasses.replace(options, **SIZES)


@pytest.fixture
def door(seaweedfs_options):
    with running_front_door(seaweedfs_options.endpoint_url) as door:
        yield door


@pytest.fixture
def options(seaweedfs_options, door):
    return dataclasses.replace(seaweedfs_options, endpoint_url=door.url, **SIZES)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(DATA)
    return path


def put(options, key, source):
    store = open_store("s3://outbox", s3=options)
    store.put_file(key, source, content_type="application/pdf")
    return store


def client(options):
    return boto3.client(
        "s3",
        endpoint_url=options.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=options.access_key_id,
        aws_secret_access_key=options.secret_access_key,
    )


def unfinished(options, key):
    return client(options).list_multipart_uploads(Bucket="outbox", Prefix=key).get("Uploads", [])


def parts_sent(door: FrontDoor) -> int:
    return door.count("PUT", "partNumber")


def lose_one_completion(door: FrontDoor) -> threading.Event:
    """Its answer; the event is set then."""
    lost = threading.Event()

    def lose(request):
        first = request.method == "POST" and "uploadId" in request.path and not lost.is_set()
        if first:
            lost.set()
        return first

    door.lose_answer = lose
    return lost


def test_the_parts_become_the_file(server_options, source, tmp_path):
    store = open_store("s3://outbox", s3=server_options)
    digest = store.put_file("parts/whole", source, content_type="application/pdf")
    assert digest == FileDigest(sha256=SHA256, size=len(DATA))
    assert store.get_file("parts/whole", tmp_path / "copy", max_bytes=len(DATA)) == SHA256
    described = client(server_options).head_object(Bucket="outbox", Key="parts/whole")
    assert described["ContentType"] == "application/pdf"
    assert described["ETag"].strip('"').endswith("-3")


def test_a_file_below_the_threshold_is_one_call(door, options, source):
    source.write_bytes(DATA[: 6 * MIB - 1])
    put(options, "parts/one", source)
    assert [request.method for request in door.seen] == ["PUT"]


def test_a_part_that_fails_is_sent_again_and_no_other(door, options, source):
    failures = iter([Refusal(503, "SlowDown"), Refusal(500, "InternalError")])
    door.refuse = lambda r: next(failures, None) if "partNumber=2" in r.path else None
    store = put(options, "parts/repeated", source)
    assert store.get("parts/repeated") == DATA
    assert parts_sent(door) == 3 + 2
    assert door.count("POST", "uploads") == 1


def test_every_part_carries_its_checksum_which_the_store_compares(door, options, source):
    put(options, "parts/checked", source)
    sent = [request for request in door.seen if "partNumber" in request.path]
    assert all("x-amz-checksum-crc32" in request.headers for request in sent)
    target = {"Bucket": "outbox", "Key": "parts/spoilt"}
    s3 = client(options)
    upload = s3.create_multipart_upload(**target, ChecksumAlgorithm="CRC32")["UploadId"]
    with pytest.raises(ClientError, match="BadDigest"):
        s3.upload_part(
            **target, UploadId=upload, PartNumber=1, Body=b"spoilt", ChecksumCRC32="AAAAAA=="
        )
    s3.abort_multipart_upload(**target, UploadId=upload)


def test_a_part_spoilt_on_the_way_is_sent_again(door, options, source):
    spoilt = threading.Event()

    def spoil(request):
        if "partNumber=3" not in request.path or spoilt.is_set():
            return request.body
        spoilt.set()
        return b"x" * len(request.body)

    door.alter = spoil
    assert put(options, "parts/spoilt", source).get("parts/spoilt") == DATA
    assert parts_sent(door) == 4


def test_a_completion_whose_answer_is_lost_is_found_to_have_happened(door, options, source):
    lost = lose_one_completion(door)
    store = put(options, "parts/lost", source)
    assert store.get("parts/lost") == DATA
    assert lost.is_set()


@pytest.mark.parametrize("may_look", [True, False])
def test_an_upload_that_is_gone_is_the_object_or_begins_anew(door, options, source, may_look):
    lost = lose_one_completion(door)
    gone = iter([Refusal(404, "NoSuchUpload")])

    def refuse(request):
        if request.method == "HEAD" and not may_look:  # as under the printed policy
            return Refusal(403, "AccessDenied")
        is_completion = request.method == "POST" and "uploadId" in request.path
        return next(gone, None) if is_completion and lost.is_set() else None

    door.refuse = refuse
    store = RetryingStore(open_store("s3://outbox", s3=options), timeout_seconds=30)
    assert store.put_file(f"parts/gone-{may_look}", source, content_type="").sha256 == SHA256
    assert store.get(f"parts/gone-{may_look}") == DATA
    assert door.count("HEAD") == 1
    assert door.count("POST", "uploads") == (1 if may_look else 2)


def test_an_upload_that_is_gone_while_parts_travel_begins_anew(door, options, source):
    gone = iter([Refusal(404, "NoSuchUpload")])
    door.refuse = lambda r: next(gone, None) if "partNumber=2" in r.path else None
    store = put(options, "parts/gone-in-a-part", source)
    assert store.get("parts/gone-in-a-part") == DATA
    assert door.count("POST", "uploads") == 2
    assert unfinished(options, "parts/gone-in-a-part") == []


def test_a_store_that_loses_every_upload_is_unavailable(door, options, source):
    door.refuse = lambda r: Refusal(404, "NoSuchUpload") if "partNumber=1" in r.path else None
    with pytest.raises(StoreUnavailableError, match="has lost every upload"):
        put(options, "parts/always-gone", source)
    assert door.count("POST", "uploads") == 3


def test_a_fault_inside_a_completions_answer_of_200_is_repeated(door, options, source):
    faults = iter([Refusal(200, "InternalError"), Refusal(200, "SlowDown")])
    door.refuse = lambda r: next(faults, None) if is_completion(r) else None
    assert put(options, "parts/200", source).get("parts/200") == DATA


def is_completion(request) -> bool:
    return request.method == "POST" and "uploadId" in request.path


def test_a_part_that_never_succeeds_leaves_neither_object_nor_upload(door, options, source):
    door.refuse = lambda r: Refusal(403, "AccessDenied") if "partNumber=2" in r.path else None
    with pytest.raises(AccessDeniedError, match="s3:PutObject"):
        put(options, "parts/refused", source)
    assert unfinished(options, "parts/refused") == []
    with pytest.raises(NotFoundError):
        open_store("s3://outbox", s3=options).get("parts/refused")


def test_a_store_that_stays_away_ends_patience_and_the_upload(door, options, source):
    door.refuse = lambda r: Refusal(503, "SlowDown") if "partNumber" in r.path else None
    with without_pauses(tries=3), pytest.raises(StoreError, match="SlowDown"):
        put(options, "parts/away", source)
    assert door.count("DELETE", "uploadId") == 1


@pytest.mark.slow
def test_a_large_file_that_changes_on_its_way_is_refused(door, options, source):
    failures = iter([Refusal(503, "SlowDown")])

    def change(request):
        if "partNumber=2" in request.path and source.read_bytes() == DATA:
            source.write_bytes(b"x" * len(DATA))
        return next(failures, None) if "partNumber=2" in request.path else None

    door.refuse = change
    with without_pauses(tries=3), pytest.raises(StoreError, match="BadDigest"):
        put(options, "parts/others", source)
    assert unfinished(options, "parts/others") == []
    with pytest.raises(NotFoundError):
        open_store("s3://outbox", s3=options).get("parts/others")


def test_sections_of_a_file_do_not_disturb_each_other(source):
    with source.open("rb") as file:
        first = open_section(file.fileno(), 0, 1000)
        last = open_section(file.fileno(), len(DATA) - 10, 10)
        assert first.read(5) + last.read() + first.read() == DATA[:5] + DATA[-10:] + DATA[5:1000]
        assert first.read() == b""
        assert last.seek(-3, 2) == 7
        assert last.read(100) == DATA[-3:]
        assert file.tell() == 0
