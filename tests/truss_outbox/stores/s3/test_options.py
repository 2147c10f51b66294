"""What goes with every object, and how the client is set up."""

import dataclasses
import subprocess
import sys

import pytest

from tests.truss_outbox.stores.s3.front_door import Refusal, running_front_door
from truss_outbox.contract.errors import (
    AccessDeniedError,
    ConfigurationError,
    StoreUnavailableError,
)
from truss_outbox.stores import open_store
from truss_outbox.stores.s3.client import connect
from truss_outbox.stores.s3.options import S3Options

MIB = 1 << 20
KEYS = {"access_key_id": "id", "secret_access_key": "key"}


@pytest.fixture
def door(moto_options):
    with running_front_door(moto_options.endpoint_url) as door:
        yield door


@pytest.fixture
def options(door, moto_options):
    return dataclasses.replace(
        moto_options,
        endpoint_url=door.url,
        s3_encryption="aws:kms",
        s3_kms_key_id="the-key",
        s3_storage_class="STANDARD_IA",
        s3_tags={"project": "a+b c", "stage": "test"},
        s3_multipart_threshold_bytes=6 * MIB,
        s3_part_bytes=5 * MIB,
    )


def put(store, key, path, data):
    path.write_bytes(data)
    store.put_file(key, path, content_type="text/plain")


@pytest.mark.parametrize("size", [1, 2 * MIB, 7 * MIB])
def test_encryption_storage_class_and_tags_go_with_an_artifact(
    options, moto_options, tmp_path, size
):
    put(open_store("s3://outbox", s3=options), f"options/{size}", tmp_path / "x", b"x" * size)
    client = connect(moto_options)
    described = client.head_object(Bucket="outbox", Key=f"options/{size}")
    assert described["ServerSideEncryption"] == "aws:kms"
    assert described["SSEKMSKeyId"].endswith("the-key")
    assert described["StorageClass"] == "STANDARD_IA"
    tags = client.get_object_tagging(Bucket="outbox", Key=f"options/{size}")["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"project": "a+b c", "stage": "test"}


def test_a_manifest_stays_where_it_is_read_at_once(options, moto_options):
    open_store("s3://outbox", s3=options).create("options/m", b"{}", content_type="text/plain")
    described = connect(moto_options).head_object(Bucket="outbox", Key="options/m")
    assert described["ServerSideEncryption"] == "aws:kms"
    assert "StorageClass" not in described


def test_every_call_says_whose_bucket_it_must_be(door, options, tmp_path):
    options = dataclasses.replace(options, s3_expected_bucket_owner="123456789012")
    store = open_store("s3://outbox", s3=options)
    put(store, "options/owned", tmp_path / "x", b"x" * (7 * MIB))
    store.create("options/o", b"", content_type="text/plain")
    store.get("options/o")
    store.delete("options/o")
    assert len(door.seen) == 7
    owners = {request.headers.get("x-amz-expected-bucket-owner") for request in door.seen}
    assert owners == {"123456789012"}


def test_buckets_are_addressed_as_told():
    def address(**options) -> str:
        client = connect(S3Options(region="eu-west-1", **KEYS, **options))
        return client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "k"})

    assert address().startswith("https://bucket.s3")
    assert address(s3_addressing_style="path").startswith(
        "https://s3.eu-west-1.amazonaws.com/bucket/k"
    )
    assert address(endpoint_url="https://s3.test").startswith("https://s3.test/bucket/k")
    virtual = address(endpoint_url="https://s3.test", s3_addressing_style="virtual")
    assert virtual.startswith("https://bucket.s3.test/k")


def test_a_missing_authority_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="s3_ca_bundle"):
        connect(S3Options(s3_ca_bundle=tmp_path / "missing.pem"))


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [({"region": "not a region"}, "region"), ({"endpoint_url": "x"}, "endpoint_url")],
)
def test_a_wrong_address_is_named(wrong, setting):
    with pytest.raises(ConfigurationError) as caught:
        connect(S3Options(**wrong))
    assert caught.value.setting == setting


def test_secrets_do_not_show_in_the_options():
    shown = repr(S3Options(access_key_id="KEYID", secret_access_key="KEY", session_token="TOKEN"))
    assert not any(secret in shown for secret in ("KEYID", "KEY'", "TOKEN"))


@pytest.mark.parametrize(
    ("refusal", "error", "remedy"),
    [
        (Refusal(400, "ExpiredToken"), AccessDeniedError, "renew the secret aws_session_token"),
        (Refusal(403, "InvalidAccessKeyId"), AccessDeniedError, "check the secret aws_access_key"),
        (Refusal(403, "RequestTimeTooSkewed"), StoreUnavailableError, "set this machine's clock"),
    ],
)
def test_a_refusal_names_what_to_mend(door, options, refusal, error, remedy):
    door.refuse = lambda _: refusal
    with pytest.raises(error, match=remedy):
        open_store("s3://outbox", s3=options).get("options/any")


def test_opening_s3_imports_no_other_sdk():
    program = (
        "import sys\n"
        "from truss_outbox.stores import open_store\n"
        "assert not any(name.startswith(('boto', 'google')) for name in sys.modules)\n"
        "open_store('s3://bucket/prefix')\n"
        "assert 'botocore' in sys.modules and 'boto3' not in sys.modules\n"
        "assert 'google.cloud.storage' not in sys.modules and 'google.auth' not in sys.modules\n"
        "assert 'obstore' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
