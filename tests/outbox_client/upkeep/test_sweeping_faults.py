"""Sweeping where clocks differ, something cannot be deleted, or the bucket goes away."""

import json
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from outbox_client.bucket.bucket import Bucket
from outbox_client.bucket.open_bucket import open_bucket
from outbox_client.upkeep.found import Orphan, Undeleted
from outbox_client.upkeep.sweep import sweep
from tests.gcs_door import Answer, Door, Seen, serving
from tests.outbox_client.iam import new_user, without
from tests.truss_outbox.stores.s3.front_door import Refusal, running_front_door
from truss_outbox.contract.errors import StoreUnavailableError
from truss_outbox.stores import open_store

HOUR = timedelta(hours=1)
AHEAD = 3 * HOUR
"""How far this machine's clock is from the bucket's."""
ATTEMPT = "artifacts/job=j/a/0a1b2c3d"


class LateBucket:
    """Answers as S3, and as GCS, whose clock is behind this machine's; it has one orphan."""

    def __init__(self, door: Door, *, age: timedelta) -> None:
        self.now = datetime.now(UTC) - AHEAD
        self.age = age
        self.tells_time = True
        self.deleted = False
        self.locked = False
        door.before = self.answer

    def answer(self, seen: Seen) -> Answer:
        headers = {"content-type": "application/xml"}
        if self.tells_time:
            headers["date"] = format_datetime(self.now, usegmt=True)
        if seen.method == "DELETE" or "delete" in seen.path:
            self.deleted = not self.locked
            gone = f"<Deleted><Key>x/{ATTEMPT}/t</Key></Deleted>"
            if self.locked and seen.method == "DELETE":
                return Answer(status=403, body=b"<Error/>", headers=headers)
            if self.locked:
                why = "<Code>AccessDenied</Code><Message>Object is WORM protected</Message>"
                gone = f"<Error><Key>x/{ATTEMPT}/t</Key>{why}</Error>"
            body = f"<DeleteResult>{gone}</DeleteResult>".encode()
            return Answer(status=200, body=body, headers=headers)
        if "json" in seen.path:
            return Answer(status=404, body=b"<Error/>", headers=headers)
        listed = ""
        if "artifacts" in seen.path:
            modified = f"{self.now - self.age:%Y-%m-%dT%H:%M:%S.000Z}"
            listed = (
                f"<Contents><Key>x/{ATTEMPT}/t</Key><Size>1</Size><ETag>1</ETag>"
                f"<LastModified>{modified}</LastModified></Contents>"
            )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>"
        return Answer(status=200, body=body.encode(), headers=headers)


@pytest.fixture
def late(outbox, request):
    """Runs `sweep --delete` for what is older than two hours, on a late bucket."""
    scheme, hours = request.param
    with serving(door := Door("http://127.0.0.1:9")):
        bucket = LateBucket(door, age=hours * HOUR)

        def run():
            place = {"OUTBOX_ROOT": f"{scheme}://outbox/x", "OUTBOX_ENDPOINT_URL": door.url}
            return outbox("sweep", "--older-than", "2h", "--delete", "--json", **place)

        yield bucket, run


@pytest.mark.parametrize("late", [("s3", 1), ("gs", 1)], indirect=True)
def test_a_machine_whose_clock_is_ahead_deletes_no_attempt_under_way(late):
    bucket, run = late
    result = run()
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["orphans"] == []
    assert not bucket.deleted


@pytest.mark.parametrize("late", [("s3", 3), ("gs", 3)], indirect=True)
def test_what_is_old_by_the_buckets_clock_goes(late):
    bucket, run = late
    result = run()
    assert result.exit_code == 0, result.output
    assert [one["keys"] for one in json.loads(result.stdout)["orphans"]] == [[f"{ATTEMPT}/t"]]
    assert bucket.deleted


@pytest.mark.parametrize("late", [("s3", 3), ("gs", 3)], indirect=True)
def test_what_the_bucket_does_not_let_go_is_told_by_the_exit_code(late):
    bucket, run = late
    bucket.locked = True
    result = run()
    assert result.exit_code == 1, result.output
    document = json.loads(result.stdout)
    assert [one["key"] for one in document["undeleted"]] == [f"{ATTEMPT}/t"]
    assert (document["orphans"], document["complete"]) == ([], True)


@pytest.mark.parametrize("late", [("s3", 30), ("gs", 30)], indirect=True)
def test_a_bucket_that_does_not_tell_its_time_loses_nothing(late):
    bucket, run = late
    bucket.tells_time = False
    result = run()
    assert result.exit_code == 3
    assert "does not say what time it is" in result.stderr
    assert not bucket.deleted


def test_the_time_of_a_directory_is_its_file_systems(tmp_path):
    (tmp_path / "before").touch()
    time = open_bucket(f"file://{tmp_path}").time()
    (tmp_path / "after").touch()
    moments = [(tmp_path / name).stat().st_mtime for name in ("before", "after")]
    assert moments[0] - 0.001 <= time.timestamp() <= moments[1] + 0.001
    assert list((tmp_path / ".tmp").iterdir()) == []


def attempts(bucket: Bucket, number: int) -> list[str]:
    """Orphans, in as many attempts."""
    keys = [f"artifacts/job=j/{n:03}/{n:08x}/{name}" for n in range(number) for name in "ab"]
    for key in keys:
        bucket.create(key, b"1")
    return keys


def later(sweep_time: datetime) -> datetime:
    return sweep_time + 3 * HOUR


def test_what_is_locked_is_named_and_the_rest_goes(outbox, bucket, seaweedfs, root, sweep_time):
    keys = attempts(bucket, 5)
    bucket.create("probes/12345678", b"1")
    locked = {keys[3], keys[6]}
    name = root.removeprefix("s3://")
    with new_user(seaweedfs) as user:
        policy = json.loads(outbox("policy", "--for", "sweeper").stdout)
        policy = without(policy, "s3:ListBucketMultipartUploads")  # SeaweedFS knows none such
        (rights,) = [one for one in policy["Statement"] if "s3:DeleteObject" in one["Action"]]
        free = {*keys, "probes/12345678"} - locked
        rights["Resource"] = [f"arn:aws:s3:::{name}/{key}" for key in free]
        user.may(policy)
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in user.environment.items():
                patch.setenv(variable, value)
            own = open_bucket(root, endpoint_url=seaweedfs.endpoint_url)
            found = list(sweep(own, None, grace=2 * HOUR, delete=True, now=later(sweep_time)))

    undeleted = [one for one in found if isinstance(one, Undeleted)]
    assert {one.key for one in undeleted} == locked
    assert "locked or retained" in undeleted[0].why
    gone = {key for one in found if isinstance(one, Orphan) for key in one.keys}
    assert gone == {*keys, "probes/12345678"} - locked
    assert set(bucket.keys("artifacts/")) == locked


class GoesAway(Bucket):
    """After so many deletions it goes away, or somebody interrupts."""

    def __init__(self, bucket: Bucket, *, after: int, error: BaseException) -> None:
        super().__init__(bucket._store, root=bucket.root)
        self._left, self._error = after, error

    def delete(self, key: str) -> None:
        self._left -= 1
        if self._left < 0:
            raise self._error
        super().delete(key)


@pytest.mark.parametrize("error", [StoreUnavailableError("x", "away"), KeyboardInterrupt()])
@pytest.mark.parametrize("after", [0, 1, 25])
def test_what_was_deleted_is_told_also_when_an_error_ends_it(tmp_path, sweep_time, error, after):
    bucket = open_bucket(f"file://{tmp_path}/bucket")
    keys = attempts(bucket, 40)
    leaving = GoesAway(bucket, after=after, error=error)

    told, found = [], sweep(leaving, None, grace=2 * HOUR, delete=True, now=later(sweep_time))
    with pytest.raises(type(error)):
        told.extend(found)

    gone = [key for one in told for key in one.keys]
    assert sorted(gone) == sorted(set(keys) - set(bucket.keys("artifacts/")))
    assert len(gone) == after


def test_the_command_tells_it_too(outbox, bucket, seaweedfs, bucket_environment, root):
    attempts(bucket, 3)
    with running_front_door(seaweedfs.endpoint_url) as door:
        door.refuse = lambda seen: Refusal(500, "InternalError") if "uploads" in seen.path else None
        result = outbox("sweep", "--older-than", "0s", "--json", OUTBOX_ENDPOINT_URL=door.url)
    assert result.exit_code == 3
    document = json.loads(result.stdout)
    assert (len(document["orphans"]), document["complete"]) == (3, False)


@pytest.mark.parametrize(
    ("status", "code"), [(501, "NotImplemented"), (404, "NoSuchKey"), (405, "MethodNotAllowed")]
)
def test_a_server_that_lists_no_uploads_is_swept_all_the_same(
    outbox, bucket, seaweedfs, status, code
):
    keys = attempts(bucket, 2)
    with running_front_door(seaweedfs.endpoint_url) as door:
        door.refuse = lambda seen: Refusal(status, code) if "uploads" in seen.path else None
        result = outbox("sweep", "--older-than", "0s", OUTBOX_ENDPOINT_URL=door.url)
    assert result.exit_code == 0, result.output
    assert re.search("kept: multipart uploads: this server does not list them", result.stdout)
    assert f"{len(keys)} object(s) of 4 bytes, 0 unfinished upload(s); --delete" in result.stdout


def test_a_retention_of_gcs_keeps_one_and_lets_the_rest_go(gcs_options, sweep_time):
    keys = [f"artifacts/job=j/{number}/{number:08x}/t" for number in range(3)]
    store = open_store("gs://outbox/retained", gcs=gcs_options)
    for key in keys:
        store.create(key, b"1", content_type="text/plain")
    with serving(door := Door(gcs_options.endpoint_url)):
        door.before = lambda seen: retained(seen, part_of_path="00000001", host=door.upstream)
        bucket = open_bucket("gs://outbox/retained", endpoint_url=door.url)
        found = list(sweep(bucket, None, grace=2 * HOUR, delete=True, now=later(sweep_time)))
    assert {one.key for one in found if isinstance(one, Undeleted)} == {keys[1]}
    assert len([one for one in found if isinstance(one, Orphan)]) == 2
    assert store.keys("artifacts/") == {keys[1]}


def retained(seen: Seen, *, part_of_path: str, host: str) -> Answer | None:
    seen.headers["host"] = host  # the emulator answers to no other
    if seen.method != "DELETE" or part_of_path not in seen.path:
        return None
    return Answer(status=403, body=b"<Error/>")
