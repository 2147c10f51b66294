"""Patience with a store."""

import pytest

from truss_outbox.contract.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    StoreUnavailableError,
)
from truss_outbox.retrying import without_pauses
from truss_outbox.stores import RetryingStore
from truss_outbox.stores.memory import MemoryStore
from truss_outbox.stores.streams import FileDigest


@pytest.fixture(autouse=True)
def _without_waiting():
    with without_pauses(tries=4):
        yield


class FlakyStore(MemoryStore):
    """Fails `failures` calls with `error`; with `after`, once the work is done."""

    def __init__(self, failures, error=StoreUnavailableError, *, after=False):
        super().__init__()
        self.failures, self.error, self.after = failures, error, after

    def create(self, key, data, *, content_type):
        if self.after:
            super().create(key, data, content_type=content_type)
        self.fail(key)
        super().create(key, data, content_type=content_type)

    def get_file(self, key, path, *, max_bytes):
        path.write_bytes(b"the first half")
        self.fail(key)
        path.unlink()
        return super().get_file(key, path, max_bytes=max_bytes)

    def put_file(self, key, path, *, content_type):
        self.fail(key)
        return super().put_file(key, path, content_type=content_type)

    def get(self, key):
        self.fail(key)
        return super().get(key)

    def delete(self, key):
        self.fail(key)

    def fail(self, key):
        if self.failures:
            self.failures -= 1
            raise self.error(key, "down")


def retrying(store):
    retries = []
    return RetryingStore(store, timeout_seconds=5, on_retry=lambda: retries.append(1)), retries


def test_a_store_that_comes_back_is_waited_for_and_retries_are_counted(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(b"x")
    store, retries = retrying(FlakyStore(2))
    assert store.put_file("a", source, content_type="") == FileDigest.of(b"x")
    assert store.get("a") == b"x"
    assert len(retries) == 2


def test_a_download_begins_anew(tmp_path):
    flaky = FlakyStore(0)
    flaky.create("a", b"whole", content_type="")
    flaky.failures = 1
    store, _ = retrying(flaky)
    store.get_file("a", tmp_path / "copy", max_bytes=10)
    assert (tmp_path / "copy").read_bytes() == b"whole"


def test_patience_ends_with_the_stores_own_error():
    store, retries = retrying(FlakyStore(100))
    with pytest.raises(StoreUnavailableError, match="down"):
        store.create("a", b"x", content_type="")
    assert len(retries) == 3


def test_what_cannot_be_mended_by_waiting_is_not_repeated():
    store, retries = retrying(FlakyStore(1, AccessDeniedError))
    with pytest.raises(AccessDeniedError):
        store.get("a")
    assert retries == []


def test_a_create_whose_reply_was_lost_says_that_the_object_exists():
    store, _ = retrying(FlakyStore(1, after=True))
    with pytest.raises(AlreadyExistsError):
        store.create("a", b"x", content_type="")


def test_deletions_are_not_repeated():
    store, retries = retrying(FlakyStore(1))
    with pytest.raises(StoreUnavailableError):
        store.delete("a")
    assert retries == []
