"""No request reads what is another's: of the bucket only what senders put there for the model."""

import uuid

import pytest

from outbox_client.policies import Purpose, policy
from tests.outbox_client.iam import new_user
from tests.truss_outbox.stores.conftest import STORES
from truss_outbox import File
from truss_outbox.contract.errors import AccessDeniedError, InvalidInputError
from truss_outbox.contract.inputs import find_place
from truss_outbox.contract.root import Root
from truss_outbox.serving.files.intake import FileIntake
from truss_outbox.stores import open_store

FOLDERS = (
    *("artifacts/job=other/a/00000000", "manifests/job=other", "failures/job=other/a", "jobs"),
    *("index/job=other", "submissions/job=other", "probes", "anything", "inputs-of-others"),
)
STORED = b"of another job"


@pytest.fixture(params=["directory", "seaweedfs", "fake-gcs-server"])
def store(request):
    return STORES[request.param](request, uuid.uuid4().hex)


@pytest.fixture
def read(store, tmp_path):
    """The bytes that a request is given for `input`, of a model with these input roots."""

    def read(address, *input_stores):
        intake = FileIntake(store=store, input_stores=input_stores, max_bytes=100)
        path = tmp_path / uuid.uuid4().hex
        intake.take(File(input=address), path, name="document")
        return path.read_bytes()

    return read


@pytest.fixture
def stored(store):
    """Writes an object; returns its key."""

    def stored(key):
        store.create(key, STORED, content_type="text/plain")
        return key

    return stored


@pytest.mark.parametrize("folder", FOLDERS)
def test_of_the_models_own_root_only_inputs_are_read(read, store, stored, folder):
    assert read(stored("inputs/a")) == read(f"{store.root}/inputs/a") == STORED
    key = stored(f"{folder}/a")
    for address in (
        key,
        f"{store.root}/{key}",
        f"inputs/../{key}",
        f"{store.root}/inputs/../{key}",
    ):
        with pytest.raises(InvalidInputError, match="must name an object below inputs/") as caught:
            read(address)
        assert caught.value.field == "document.input"


def test_an_input_root_inside_the_models_own_opens_what_is_below_it(read, store, stored):
    key = stored("artifacts/job=first/a/00000000/text.txt")
    first = FurtherStore(store, f"{store.root}/artifacts/job=first")
    assert read(f"{store.root}/{key}", first) == STORED
    with pytest.raises(InvalidInputError):
        read(f"{store.root}/{stored('artifacts/job=second/a')}", first)


def test_an_input_root_around_the_models_own_opens_nothing_of_it(read, store, stored):
    key = stored("manifests/job=other/a.json")
    for root in (store.root, store.root.rpartition("/")[0]):
        with pytest.raises(InvalidInputError, match="must name an object below inputs/"):
            read(f"{store.root}/{key}", FurtherStore(store, root))


class FurtherStore:
    """A part of a store, or what is around it, under its own root."""

    def __init__(self, store, root):
        self.root = root
        self._store = store

    def get_file(self, key, path, *, max_bytes):
        whole = f"{self.root}/{key}".removeprefix(f"{self._store.root}/")
        return self._store.get_file(whole, path, max_bytes=max_bytes)


def test_a_wrong_digest_does_not_tell_the_right_one(store, stored, tmp_path):
    stored("inputs/a")
    file = File(input="inputs/a", sha256="0" * 64)
    with pytest.raises(InvalidInputError) as caught:
        FileIntake(store=store, max_bytes=100).take(file, tmp_path / "a", name="document")
    assert str(caught.value) == (
        "document.input: the file's SHA-256 is not the one that the request names"
    )


def test_a_forbidden_object_reads_like_one_that_is_not_there(seaweedfs, read):
    name = uuid.uuid4().hex
    root, archive = (f"s3://outbox/{name}/{part}" for part in ("own", "archive"))
    with new_user(seaweedfs) as user:
        user.may(policy(Purpose.WRITER, Root.parse(root)))
        forbidden = open_store(archive, s3=user.options)
        problems = set()
        for address in (f"{archive}/secret", f"{archive}/nothing"):
            with pytest.raises(InvalidInputError) as caught:
                read(address, forbidden)
            problems.add(caught.value.problem)
        user.may(policy(Purpose.WRITER, Root.parse(archive.removesuffix("/archive"))))
    assert len(problems) == 1
    assert "no such object that this model may read" in problems.pop()


def test_a_model_that_may_not_read_its_own_inputs_says_so(seaweedfs, tmp_path):
    with new_user(seaweedfs) as user:
        own = open_store(f"s3://outbox/{uuid.uuid4().hex}", s3=user.options)
        with pytest.raises(AccessDeniedError):
            FileIntake(store=own, max_bytes=100).take(
                File(input="inputs/a"), tmp_path / "a", name="document"
            )


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("s3://b/o/inputs/x", ("s3://b/o", "inputs/x")),
        ("s3://b/o/inputs", ("s3://b/o", "inputs")),
        ("s3://b/o", None),
        ("s3://b/o/inputsx/a", None),
        ("s3://b/o/manifests/x", None),
        ("s3://b/oo/manifests/x", ("s3://b", "oo/manifests/x")),
        ("s3://b/o/artifacts/x", ("s3://b/o/artifacts", "x")),
        ("s3://b/o/inputs/deep/x", ("s3://b/o/inputs/deep", "x")),
        ("s3://c/x", None),
    ],
)
def test_the_deepest_root_decides(address, found):
    roots = ["s3://b", "s3://b/o/artifacts", "s3://b/o/inputs/deep"]
    assert find_place(address, root="s3://b/o", input_roots=roots) == found
