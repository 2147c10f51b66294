import contextlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from botocore.exceptions import ClientError

from local_baseten.buckets.s3 import BucketServer, running_bucket
from local_baseten.errors import BucketError


def s3(bucket: BucketServer, *, secret: str | None = None):
    return replace(bucket, secret_access_key=secret or bucket.secret_access_key).client()


def test_a_bucket_can_be_opened_again_with_the_same_key(tmp_path: Path):
    with running_bucket(tmp_path) as bucket, s3(bucket) as client:
        client.put_object(Bucket="outbox", Key="kept", Body=b"kept")
        assert (tmp_path / "credentials.json").stat().st_mode & 0o777 == 0o600
        pids = [bucket.pid, *(child.pid for child in psutil.Process(bucket.pid).children())]
    assert not any(psutil.pid_exists(pid) for pid in pids)

    with running_bucket(tmp_path) as again, s3(again) as client:
        assert (again.access_key_id, again.secret_access_key) == (
            *(bucket.access_key_id, bucket.secret_access_key),
        )
        assert again.endpoint_url == bucket.endpoint_url
        assert client.get_object(Bucket="outbox", Key="kept")["Body"].read() == b"kept"
        assert client.list_objects_v2(Bucket="outbox")["KeyCount"] == 1


@pytest.mark.slow
def test_a_bucket_whose_port_is_taken_meanwhile_gets_another(tmp_path: Path):
    with running_bucket(tmp_path / "one") as one:
        (tmp_path / "two").mkdir()
        (tmp_path / "two" / "port").write_text(one.endpoint_url.rpartition(":")[2])
        with running_bucket(tmp_path / "two") as two, s3(two) as client:
            assert two.endpoint_url != one.endpoint_url
            assert client.list_objects_v2(Bucket="outbox")["KeyCount"] == 0


def test_its_key_is_needed_and_not_shown(seaweedfs: BucketServer):
    with s3(seaweedfs, secret="wrong") as client, pytest.raises(ClientError) as refused:
        client.list_objects_v2(Bucket="outbox")

    assert refused.value.response["Error"]["Code"] == "SignatureDoesNotMatch"
    assert seaweedfs.secret_access_key not in repr(seaweedfs)


def test_it_listens_on_this_machine_alone(seaweedfs: BucketServer):
    (weed,) = psutil.Process(seaweedfs.pid).children()

    listening = {
        connection.laddr.ip
        for connection in weed.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }

    assert listening == {"127.0.0.1"}


@pytest.mark.slow
def test_several_start_at_once(tmp_path: Path):
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(2) as executor:
        buckets = list(
            executor.map(
                lambda name: stack.enter_context(running_bucket(tmp_path / name)), ["one", "two"]
            )
        )

    assert len({bucket.endpoint_url for bucket in buckets}) == 2


def test_two_never_share_a_directory(tmp_path: Path):
    with (
        running_bucket(tmp_path),
        pytest.raises(BucketError, match="in use"),
        running_bucket(tmp_path),
    ):
        pass
