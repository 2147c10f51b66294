"""The synthetic S3 answers as S3 does, and what it makes up is what Outbox stores."""

import contextlib
import hashlib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import obstore
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from obstore.store import S3Store

from scripts.bench.scale.synthetic_s3 import RunningS3, running_s3
from truss_outbox.contract.manifest import Failure, Manifest
from truss_outbox.stores.s3.client import connect

KEYS = ["a", "a-b", "a/b", "a/b/c", "a/é", "a/x y", "a/%41", "b/1", "b/2", "z"]
DATA = bytes(range(256)) * 4


@pytest.fixture(scope="module")
def s3() -> Iterator[RunningS3]:
    with running_s3(
        "--job=flat=2500,failed=0.01", "--job=nested=1200,teams=100,size=64"
    ) as running:
        yield running


@pytest.fixture
def client(s3):
    with connected(s3.endpoint_url) as client:
        yield client


@contextlib.contextmanager
def connected(endpoint_url: str, **config: Any) -> Iterator[Any]:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(s3={"addressing_style": "path"}, **config),
    )
    with contextlib.closing(client):
        yield client


def listed(client: Any, prefix: str, **more: Any) -> list[dict[str, Any]]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="outbox", Prefix=prefix, **more)
    return [entry for page in pages for entry in page.get("Contents", [])]


def outcome(call, **arguments) -> Any:
    """What a caller sees of an answer, or of a refusal."""
    try:
        answer = call(Bucket="outbox", **arguments)
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    seen = ("ETag", "ContentLength", "ContentRange", "ContentType", "IsTruncated", "KeyCount")
    return {
        "status": answer["ResponseMetadata"]["HTTPStatusCode"],
        "body": answer["Body"].read() if "Body" in answer else None,
        "keys": [(one["Key"], one["Size"], one["ETag"]) for one in answer.get("Contents", [])],
        "folders": [one["Prefix"] for one in answer.get("CommonPrefixes", [])],
        "deleted": sorted(one["Key"] for one in answer.get("Deleted", [])),
        **{name: answer.get(name) for name in seen},
    }


def conversation(client: Any) -> Iterator[Any]:
    """The same calls, and what each is answered with."""
    for key in KEYS:
        yield outcome(client.put_object, Key=f"in/{key}", Body=DATA, ContentType="text/plain")
    yield outcome(client.put_object, Key="in/a", Body=b"", IfNoneMatch="*")
    yield outcome(client.put_object, Key="in/new", Body=b"n", IfNoneMatch="*")
    for limit in (1, 3, 1000):
        token: dict[str, str] = {}
        while token is not None:
            yield outcome(client.list_objects_v2, Prefix="in/", MaxKeys=limit, **token)
            page = client.list_objects_v2(Bucket="outbox", Prefix="in/", MaxKeys=limit, **token)
            following = page.get("NextContinuationToken")
            token = {"ContinuationToken": following} if following else None
    for after in ("in/", "in/a", "in/a/b", "in/a0", "in/z", "in/~"):
        yield outcome(client.list_objects_v2, Prefix="in/", StartAfter=after)
        yield outcome(client.list_objects_v2, Prefix="in/a", StartAfter=after)
    for prefix in ("in/", "in/a", "in/a/", "none/"):
        yield outcome(client.list_objects_v2, Prefix=prefix, Delimiter="/")
    for some in ("bytes=0-9", "bytes=1000-", "bytes=-24", "bytes=1020-5000", "bytes=1024-1030"):
        yield outcome(client.get_object, Key="in/a/x y", Range=some)
    yield outcome(client.get_object, Key="in/a/é")
    yield outcome(client.head_object, Key="in/a/%41")
    yield outcome(client.get_object, Key="in/none")
    yield outcome(client.head_object, Key="in/none")
    yield outcome(client.get_object, Key="in/a", IfMatch='"0"')
    tag = f'"{hashlib.md5(DATA).hexdigest()}"'
    yield outcome(client.get_object, Key="in/a", IfNoneMatch=tag)
    yield outcome(client.get_object, Key="in/a", IfMatch=tag)
    yield outcome(client.delete_object, Key="in/a")
    yield outcome(client.delete_object, Key="in/none")
    few = {"Objects": [{"Key": "in/a/é"}, {"Key": "in/b/1"}, {"Key": "in/none"}]}
    yield outcome(client.delete_objects, Delete=few)
    yield outcome(client.list_objects_v2, Prefix="in/")
    yield from multipart(client)


def multipart(client: Any) -> Iterator[Any]:
    place = {"Bucket": "outbox", "Key": "in/parts"}
    upload = client.create_multipart_upload(**place)["UploadId"]
    parts = [
        client.upload_part(**place, UploadId=upload, PartNumber=number, Body=body)["ETag"]
        for number, body in ((1, b"x" * (5 << 20)), (2, b"end"))
    ]
    yield parts
    numbered = [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(parts, start=1)]
    client.complete_multipart_upload(**place, UploadId=upload, MultipartUpload={"Parts": numbered})
    yield outcome(client.head_object, Key="in/parts")
    yield outcome(client.get_object, Key="in/parts", Range="bytes=5242878-")
    upload = client.create_multipart_upload(**place)["UploadId"]
    yield len(client.list_multipart_uploads(Bucket="outbox", Prefix="in/").get("Uploads", []))
    client.abort_multipart_upload(**place, UploadId=upload)
    yield len(client.list_multipart_uploads(Bucket="outbox", Prefix="in/").get("Uploads", []))


def test_it_answers_as_moto_does(client, moto_options):
    other = connect(moto_options)
    with contextlib.closing(other):
        theirs = list(conversation(other))
    ours = list(conversation(client))
    assert len(ours) == len(theirs)
    different = [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]]
    assert different == []


def test_any_number_of_results_is_listed_in_order_and_each_is_what_its_manifest_says(s3, client):
    for job, count in (("flat", 2475), ("nested", 1200)):
        entries = listed(client, f"manifests/job={job}/")
        keys = [entry["Key"] for entry in entries]
        assert keys == sorted(set(keys))
        assert len(keys) == count
        assert len(listed(client, f"artifacts/job={job}/")) == count
        for entry in (entries[0], entries[777], entries[-1]):
            data = client.get_object(Bucket="outbox", Key=entry["Key"])["Body"].read()
            assert entry["Size"] == len(data)
            assert entry["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
            (artifact,) = Manifest.at(entry["Key"], data).artifacts
            key = artifact.uri.removeprefix("s3://outbox/")
            stored = client.get_object(Bucket="outbox", Key=key)
            body = stored["Body"].read()
            assert hashlib.sha256(body).hexdigest() == artifact.sha256
            assert len(body) == artifact.size
            (line,) = listed(client, key)
            assert (line["ETag"], line["LastModified"]) == (stored["ETag"], stored["LastModified"])


def test_obstore_reads_it_too(s3):
    store = S3Store(
        "outbox",
        endpoint=f"{s3.endpoint_url}/outbox",
        virtual_hosted_style_request=True,
        region="us-east-1",
        access_key_id="any",
        secret_access_key="any",
        client_options={"allow_http": True},
    )
    after = "manifests/job=flat/0001499.pdf.json"
    (page,) = obstore.list(store, "manifests/job=flat/", offset=after, chunk_size=1000)
    assert (len(page), page[0]["path"]) == (990, "manifests/job=flat/0001500.pdf.json")
    assert (
        len(obstore.list_with_delimiter(store, "manifests/job=nested/")["common_prefixes"]) == 100
    )


def test_failures_are_records_under_their_own_keys(client):
    entries = listed(client, "failures/job=flat/")
    assert len(entries) == 25
    data = client.get_object(Bucket="outbox", Key=entries[3]["Key"])["Body"].read()
    failure = Failure.from_bytes(data)
    assert entries[3]["Key"] == f"failures/{failure.key}/{failure.attempt}.json"
    assert listed(client, f"manifests/{failure.key}.json") == []


def test_results_are_hidden_shown_and_deleted(s3, client):
    prefix = "manifests/job=nested/team=007/"
    before = listed(client, prefix)
    s3.hide("nested", range(7, 400, 100))
    assert listed(client, prefix) == before[4:]
    with pytest.raises(ClientError, match="NoSuchKey"):
        client.get_object(Bucket="outbox", Key=before[0]["Key"])
    s3.show("nested", range(7, 400, 100))
    after = listed(client, prefix)
    assert [one["Key"] for one in after] == [one["Key"] for one in before]
    assert after[0]["LastModified"] > before[0]["LastModified"]
    assert after[4:] == before[4:]
    client.delete_object(Bucket="outbox", Key=before[5]["Key"])
    assert listed(client, prefix) == after[:5] + after[6:]


def test_what_is_put_lies_among_what_is_made_up(client):
    taken, between = "manifests/job=flat/0000500.pdf.json", "manifests/job=flat/0000500.pdf.more"
    with pytest.raises(ClientError, match="PreconditionFailed"):
        client.put_object(Bucket="outbox", Key=taken, Body=b"x", IfNoneMatch="*")
    count = len(listed(client, "manifests/job=flat/00005"))
    client.put_object(Bucket="outbox", Key=taken, Body=b"x")
    client.put_object(Bucket="outbox", Key=between, Body=b"xy")
    entries = listed(client, "manifests/job=flat/00005", PaginationConfig={"PageSize": 7})
    sizes = {entry["Key"]: entry["Size"] for entry in entries}
    assert (sizes[taken], sizes[between]) == (1, 2)
    assert len(sizes) == len(entries) == count + 1
    assert list(sizes) == sorted(sizes)


def test_calls_are_counted_by_kind_and_folder(s3, client):
    s3.reset()
    listed(client, "manifests/job=nested/")
    client.head_object(Bucket="outbox", Key="manifests/job=nested/team=000/0000000.pdf.json")
    counted = s3.counted()
    assert counted["calls"] == {"HEAD manifests": 1, "LIST manifests": 2}
    assert counted["all"] == 3


def test_every_answer_is_late_by_the_latency_and_none_holds_up_another():
    with (
        running_s3("--job=march=100", "--latency=0.2") as s3,
        connected(s3.endpoint_url, max_pool_connections=100) as client,
        ThreadPoolExecutor(100) as pool,
    ):
        started = time.monotonic()
        keys = [f"manifests/job=march/{number:07}.pdf.json" for number in range(100)]
        list(pool.map(lambda key: client.head_object(Bucket="outbox", Key=key), keys))
        assert 0.2 <= time.monotonic() - started < 10  # one after the other: 20
        assert s3.counted()["most_at_once"] > 10


@pytest.mark.slow
def test_all_connections_share_the_bandwidth():
    with (
        running_s3("--job=march=4,size=250000", "--bits-per-second=8e6") as s3,
        connected(s3.endpoint_url) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        keys = [entry["Key"] for entry in listed(client, "artifacts/")]
        started = time.monotonic()
        get = lambda key: client.get_object(Bucket="outbox", Key=key)["Body"].read()  # noqa: E731
        assert [len(body) for body in pool.map(get, keys)] == [250_000] * 4
        assert time.monotonic() - started > 0.9
        started = time.monotonic()
        client.put_object(Bucket="outbox", Key="up", Body=bytes(500_000))
        assert time.monotonic() - started > 0.4
