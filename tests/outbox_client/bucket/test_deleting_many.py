"""Many objects go in few calls, and of each it is told whether it is gone."""

import re
import threading

import pytest

from outbox_client.bucket.open_bucket import open_bucket
from tests.gcs_door import Answer, Door, serving
from tests.truss_outbox.stores.s3.front_door import running_front_door
from truss_outbox.contract.errors import AccessDeniedError, StoreError, StoreUnavailableError
from truss_outbox.stores import open_store

KEYS = [f"artifacts/job=j/{n:04}/0a1b2c3d/t" for n in range(5)]


class Told(dict):
    """What was heard of each key, once."""

    def __call__(self, key: str, error: StoreError | None) -> None:
        assert key not in self
        self[key] = error


def test_a_thousand_go_in_one_call_of_s3(bucket, seaweedfs, root):
    keys = [f"artifacts/job=j/{n:04}/0a1b2c3d/t" for n in range(30)]
    for key in keys:
        bucket.create(key, b"x")
    with running_front_door(seaweedfs.endpoint_url) as door:
        own = open_bucket(root, endpoint_url=door.url)
        own.delete_many(keys, told := Told())
        assert [(one.method, "delete" in one.path) for one in door.seen] == [("POST", True)]
    assert told == dict.fromkeys(keys)
    assert list(bucket.keys("artifacts/")) == []


@pytest.mark.parametrize("kind", ["gcs", "directory", "seaweedfs"])
def test_what_is_gone_already_is_gone(kind, request, tmp_path, gcs_options):
    match kind:
        case "gcs":
            store = open_store("gs://outbox/many", gcs=gcs_options)
            for key in KEYS[:3]:
                store.create(key, b"1", content_type="text/plain")
            bucket = open_bucket("gs://outbox/many", endpoint_url=gcs_options.endpoint_url)
        case "directory":
            bucket = open_bucket(f"file://{tmp_path}/b")
        case _:
            bucket = request.getfixturevalue("bucket")
    if kind != "gcs":
        for key in KEYS[:3]:
            bucket.create(key, b"1")
    bucket.delete_many(KEYS, told := Told())
    assert told == dict.fromkeys(KEYS)
    assert list(bucket.keys("artifacts/")) == []


class Scripted:
    """An S3 that answers a call for many with these elements; alone it deletes all but `held`."""

    def __init__(self, door: Door, result: str | Answer) -> None:
        self.held: set[str] = set()
        self.alone: list[str] = []
        self.calls = 0
        self._result = result
        self._lock = threading.Lock()
        door.before = self.answer

    def answer(self, seen) -> Answer:
        headers = {"content-type": "application/xml"}
        if seen.method == "POST":
            self.calls += 1
            if isinstance(self._result, Answer):
                return self._result
            body = f"<DeleteResult>{self._result}</DeleteResult>".encode()
            return Answer(status=200, body=body, headers=headers)
        key = re.search("artifacts/.*", seen.path.replace("%3D", "="))[0].partition("?")[0]
        with self._lock:
            self.alone.append(key)
        if key in self.held:
            return Answer(status=403, body=b"<Error/>", headers=headers)
        return Answer(status=204, body=b"", headers=headers)


def deleted(number):
    return f"<Deleted><Key>x/{KEYS[number]}</Key></Deleted>"


def kept(number, code):
    named = f"<Key>x/{KEYS[number]}</Key>" if number is not None else ""
    return f"<Error>{named}<Code>{code}</Code><Message>{code}!</Message></Error>"


ANSWERS = {
    "all": ("".join(map(deleted, range(5))), []),
    "one is held": ("".join(map(deleted, range(4))) + kept(4, "AccessDenied"), []),
    "one was too much": ("".join(map(deleted, range(4))) + kept(4, "SlowDown"), [4]),
    "one is locked": ("".join(map(deleted, range(4))) + kept(4, "ObjectLocked"), [4]),
    "one is left out": ("".join(map(deleted, range(4))), [4]),
    "an error without a key": (kept(None, "InternalError"), [0, 1, 2, 3, 4]),
    "no names": ("<Deleted/><Deleted/>", [0, 1, 2, 3, 4]),
    "other names": ("<Deleted><Key>y/z</Key></Deleted>", [0, 1, 2, 3, 4]),
    "not implemented": (Answer(status=501, body=b"<Error/>"), [0, 1, 2, 3, 4]),
    "refused": (Answer(status=403, body=b"<Error/>"), [0, 1, 2, 3, 4]),
    "no digest": (
        Answer(status=400, body=b"<Error><Code>MissingContentMD5</Code></Error>"),
        [0, 1, 2, 3, 4],
    ),
}


@pytest.mark.usefixtures("bucket_environment")
@pytest.mark.parametrize("answer", ANSWERS)
def test_what_the_answer_leaves_open_is_asked_for_alone(answer):
    result, alone = ANSWERS[answer]
    with serving(door := Door("http://127.0.0.1:9")):
        server = Scripted(door, result)
        server.held = {KEYS[4]}
        bucket = open_bucket("s3://outbox/x", endpoint_url=door.url)
        bucket.delete_many(KEYS, told := Told())
    assert server.calls == 1
    assert sorted(server.alone) == [KEYS[number] for number in alone]
    assert set(told) == set(KEYS)
    held = {key for key, error in told.items() if error is not None}
    assert held == ({KEYS[4]} if alone or "held" in answer else set())
    assert all(isinstance(told[key], AccessDeniedError) for key in held)


@pytest.mark.usefixtures("bucket_environment")
def test_a_bucket_that_goes_away_is_an_error_after_what_it_did():
    with serving(door := Door("http://127.0.0.1:9")):
        Scripted(door, deleted(0) + deleted(1))
        answer = door.before
        door.before = lambda seen: (
            answer(seen) if seen.method == "POST" else Answer(status=503, body=b"")
        )
        bucket = open_bucket("s3://outbox/x", endpoint_url=door.url)
        told = Told()
        with pytest.raises(StoreUnavailableError):
            bucket.delete_many(KEYS, told)
    assert told == dict.fromkeys(KEYS[:2])
