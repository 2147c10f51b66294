"""What is wrong with a bucket is named when the model loads, on servers that enforce it."""

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import boto3
import pytest

from model.model import Model
from outbox_client.policies import Purpose, policy
from tests.outbox_client.iam import actions, without
from tests.truss_outbox.stores.s3.front_door import Refusal, running_front_door
from tests.waiting import until
from truss_outbox.contract.errors import AlreadyExistsError, ConfigurationError
from truss_outbox.contract.root import Root
from truss_outbox.retrying import without_pauses
from truss_outbox.serving.outbox import Outbox
from truss_outbox.stores import S3Options, open_store
from truss_outbox.stores.probing import UnsafeStore, probe

BIN = Path(sys.executable).parent
ROOT = "s3://outbox/p"
WRITER = policy(Purpose.WRITER, Root.parse(ROOT))
NOT_MISSED = {
    "s3:DeleteObject": "only what was lost in races is left behind",
    "s3:AbortMultipartUpload": "only the parts of a failed upload are left behind",
}


def free_port() -> int:
    with socket.socket() as candidate:
        candidate.bind(("127.0.0.1", 0))
        return candidate.getsockname()[1]


@contextlib.contextmanager
def running(command, port, **environment):
    process = subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def answers() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        assert process.poll() is None
        return False

    try:
        until(answers, f"port {port}")
        yield
    finally:
        process.terminate()
        process.wait()


class StrictMoto:
    """Moto's server with IAM switched on; a user's policy decides what its keys may do."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._users = 0

    def user(self, policy: dict[str, Any]) -> S3Options:
        """Keys that may do just this."""
        self._set_free_calls("inf")
        self._users += 1
        iam, name = self.client("iam"), f"user{self._users}"
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
        keys = iam.create_access_key(UserName=name)["AccessKey"]
        self._set_free_calls("0")
        return S3Options(
            endpoint_url=self.url,
            region="us-east-1",
            access_key_id=keys["AccessKeyId"],
            secret_access_key=keys["SecretAccessKey"],
        )

    def client(self, service: str):
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="root",
            aws_secret_access_key="root",
        )

    def _set_free_calls(self, count: str) -> None:
        request = urllib.request.Request(
            f"{self.url}/moto-api/reset-auth",
            data=count.encode(),
            headers={"Content-Type": "text/plain"},
        )
        urllib.request.urlopen(request).close()


@pytest.fixture(scope="module")
def strict():
    port = free_port()
    with running([BIN / "moto_server", "-H", "127.0.0.1", "-p", f"{port}"], port):
        moto = StrictMoto(port)
        moto.client("s3").create_bucket(Bucket="outbox")
        yield moto


@pytest.fixture(scope="module")
def rclone(tmp_path_factory):
    directory = tmp_path_factory.mktemp("rclone")
    (directory / "outbox").mkdir()
    port = free_port()
    command = [BIN / "rclone", "serve", "s3", directory, "--addr", f"127.0.0.1:{port}"]
    with running(
        [*command, "--auth-key", "some-key-id,some-key", "--config", directory / "none"], port
    ):
        yield S3Options(
            endpoint_url=f"http://127.0.0.1:{port}",
            access_key_id="some-key-id",
            secret_access_key="some-key",
        )


@pytest.fixture
def door(seaweedfs_options):
    with running_front_door(seaweedfs_options.endpoint_url) as door:
        yield door


@pytest.fixture
def through_the_door(door, seaweedfs_options):
    return dataclasses.replace(seaweedfs_options, endpoint_url=door.url)


def what_probing_says(options: S3Options, root: str = ROOT) -> str:
    with pytest.raises(ConfigurationError) as caught:
        probe(open_store(root, s3=options))
    return "\n".join([str(caught.value), *getattr(caught.value, "__notes__", ())])


def is_enough(options: S3Options) -> None:
    """Raises where a right is missing. That moto lets two of eight creators succeed when they come
    at once (it looks, then writes) is no matter here."""
    probe(open_store(ROOT, s3=options), allow_unsafe_commit=True)


def test_the_printed_policy_is_enough(strict):
    is_enough(strict.user(WRITER))


@pytest.mark.parametrize("action", actions(WRITER))
def test_with_one_action_less_the_missing_right_is_named(strict, action, door, through_the_door):
    options = strict.user(without(WRITER, action))
    if action in NOT_MISSED:
        is_enough(options)
        return
    if action == "s3:ListBucket":
        # Neither moto nor SeaweedFS answers 403 for a missing object where AWS does.
        door.refuse = lambda r: Refusal(403, "AccessDenied") if "-missing" in r.path else None
        options = through_the_door
    assert action in what_probing_says(options)


def test_every_broken_promise_has_its_line(door, through_the_door):
    door.refuse = lambda r: (
        Refusal(403, "AccessDenied")
        if "-missing" in r.path
        else Refusal(400, "InvalidStorageClass")
        if "-file" in r.path
        else None
    )
    lines = what_probing_says(through_the_door).splitlines()
    assert len(lines) == 2
    assert "s3_storage_class" in lines[0]
    assert "s3:ListBucket" in lines[1]


def test_unknown_keys_are_named(strict):
    options = dataclasses.replace(strict.user(WRITER), access_key_id="a-key-id-nobody-has")
    assert "aws_access_key_id" in what_probing_says(options)


def test_a_wrong_secret_is_named(seaweedfs_options):
    options = dataclasses.replace(seaweedfs_options, secret_access_key="wrong-secret")
    said = what_probing_says(options)
    assert "aws_secret_access_key" in said
    assert "wrong-secret" not in said


def test_a_wrong_bucket_is_named(moto_options):
    assert "correct root" in what_probing_says(moto_options, "s3://elsewhere/p")


@pytest.mark.parametrize(
    ("refusal", "remedy"),
    [
        (Refusal(301, "PermanentRedirect"), "set region"),
        (Refusal(400, "AuthorizationHeaderMalformed", region="eu-west-3"), "region eu-west-3"),
        (Refusal(400, "IllegalLocationConstraintException"), "set region"),
        (Refusal(400, "ExpiredToken"), "renew the secret aws_session_token"),
        (Refusal(501, "NotImplemented"), "conditional writes"),
        (Refusal(400, "KMS.DisabledException"), "s3_kms_key_id"),
    ],
)
def test_a_refusal_is_named_at_once(door, through_the_door, refusal, remedy):
    door.refuse = lambda _: refusal
    assert remedy in what_probing_says(through_the_door)
    assert len(door.seen) == 1  # asked once: repeating it would change nothing


@pytest.mark.parametrize(
    ("refusal", "cause", "remedy"),
    [
        (Refusal(301, "PermanentRedirect", region="eu-west-3"), "region eu-west-3", "set region"),
        (Refusal(400, "ExpiredToken"), "have expired", "renew the secret aws_session_token"),
        (Refusal(403, "RequestTimeTooSkewed"), "clocks", "set this machine's clock"),
        (Refusal(404, "NoSuchBucket"), "no such bucket", "correct root"),
    ],
)
def test_a_model_that_cannot_store_does_not_load(
    door, through_the_door, monkeypatch, tmp_path, refusal, cause, remedy
):
    monkeypatch.setenv("OUTBOX_ROOT", ROOT)
    monkeypatch.setenv("OUTBOX_ENDPOINT_URL", door.url)
    secrets = {
        "aws_access_key_id": through_the_door.access_key_id,
        "aws_secret_access_key": through_the_door.secret_access_key,
    }
    door.refuse = lambda _: refusal
    with (
        without_pauses(tries=2),
        pytest.raises(ConfigurationError, match=cause) as caught,
    ):
        Model({}, secrets, tmp_path).load()
    assert remedy in str(caught.value)


def test_an_endpoint_that_never_answers_is_named_in_time(seaweedfs_options):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        options = dataclasses.replace(
            seaweedfs_options,
            endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}",
            store_read_timeout_seconds=2,
        )
        with without_pauses(tries=1):
            assert "check endpoint_url" in what_probing_says(options)


def test_an_unreachable_endpoint_is_named_in_time(seaweedfs_options):
    options = dataclasses.replace(seaweedfs_options, endpoint_url=f"http://127.0.0.1:{free_port()}")
    began = time.monotonic()
    assert "check endpoint_url" in what_probing_says(options)
    assert time.monotonic() - began < 15


def test_a_store_that_ignores_conditions_is_refused(rclone):
    assert "allow_unsafe_commit" in what_probing_says(rclone)


def test_a_store_that_answers_501_to_conditions_is_taken_where_that_is_allowed(
    door, through_the_door, monkeypatch, tmp_path
):
    """On a PUT as when an upload in parts is completed; its results say so."""
    door.refuse = lambda r: Refusal(501, "NotImplemented") if "If-None-Match" in r.headers else None
    assert "allow_unsafe_commit" in what_probing_says(through_the_door)
    options = dataclasses.replace(
        through_the_door, s3_multipart_threshold_bytes=5 << 20, s3_part_bytes=5 << 20
    )
    store = open_store(ROOT, s3=options)
    assert probe(store, allow_unsafe_commit=True) is False
    (tmp_path / "large").write_bytes(bytes(6 << 20))
    store.put_file("large", tmp_path / "large", content_type="text/plain")
    unsafe = UnsafeStore(store)
    key = f"manifests/{uuid.uuid4()}.json"
    unsafe.create(key, b"first", content_type="text/plain")
    with pytest.raises(AlreadyExistsError):
        unsafe.create(key, b"second", content_type="text/plain")


def test_a_model_stores_on_a_server_without_conditions_where_that_is_allowed(
    door, through_the_door, monkeypatch, tmp_path
):
    door.refuse = lambda r: Refusal(501, "NotImplemented") if "If-None-Match" in r.headers else None
    monkeypatch.setenv("OUTBOX_ROOT", f"{ROOT}/{uuid.uuid4()}")
    monkeypatch.setenv("OUTBOX_ENDPOINT_URL", door.url)
    monkeypatch.setenv("OUTBOX_ALLOW_UNSAFE_COMMIT", "true")
    secrets = {
        "aws_access_key_id": through_the_door.access_key_id,
        "aws_secret_access_key": through_the_door.secret_access_key,
    }
    outbox = Outbox.open({}, secrets)
    outbox.bucket.create("manifests/a.json", b"{}", content_type="text/plain")
    assert outbox.unsafe_commit
    with pytest.raises(AlreadyExistsError):
        outbox.bucket.create("manifests/a.json", b"{}", content_type="text/plain")


def test_a_store_that_ignores_conditions_is_taken_where_that_is_allowed(rclone):
    store = open_store("s3://outbox/p", s3=rclone)
    assert probe(store, allow_unsafe_commit=True) is False
