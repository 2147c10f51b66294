"""A store that breaks a promise is found out when the model loads."""

import threading

import pytest

from truss_outbox.contract.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    ConfigurationError,
    NotImplementedByStoreError,
    StoreError,
)
from truss_outbox.stores.memory import MemoryStore
from truss_outbox.stores.probing import probe


class OverwritingStore(MemoryStore):
    def create(self, key, data, *, content_type):
        self.delete(key)
        super().create(key, data, content_type=content_type)


class CheckThenActStore(MemoryStore):
    """Looks first and writes then: whoever looks meanwhile sees nothing either."""

    def __init__(self):
        super().__init__()
        self._looked = threading.Barrier(8)

    def create(self, key, data, *, content_type):
        if key in self.all_keys():
            raise AlreadyExistsError(key)
        if key.endswith("-race"):
            self._looked.wait(10)
        self.delete(key)
        super().create(key, data, content_type=content_type)


class ReadOnlyStore(MemoryStore):
    def create(self, key, data, *, content_type):
        raise AccessDeniedError(key, "the credentials do not allow PutObject")


class TornStore(MemoryStore):
    def get(self, key):
        return super().get(key)[:-1]


class AppendOnlyStore(MemoryStore):
    def delete(self, key):
        raise AccessDeniedError(key, "the credentials do not allow DeleteObject")


@pytest.mark.parametrize(
    ("store", "problem"),
    [
        (OverwritingStore(), "ignores If-None-Match"),
        (ReadOnlyStore(), "do not allow PutObject"),
        (TornStore(), "other bytes"),
    ],
)
def test_the_broken_promise_is_named(store, problem):
    with pytest.raises(ConfigurationError, match=problem):
        probe(store)


def test_the_right_to_delete_is_not_needed():
    probe(AppendOnlyStore())


def test_the_probe_leaves_nothing_behind():
    store = MemoryStore()
    probe(store)
    assert store.all_keys() == []


def test_an_overwriting_store_is_taken_only_where_that_is_allowed():
    assert probe(OverwritingStore(), allow_unsafe_commit=True) is False
    assert probe(MemoryStore(), allow_unsafe_commit=True) is True


class UndoingStore(MemoryStore):
    """Takes `%2F` in a key for a slash, as a server does that decodes once too often."""

    def create(self, key, data, *, content_type):
        super().create(key.replace("%2F", "/"), data, content_type=content_type)

    def get(self, key):
        return super().get(key.replace("%2F", "/"))


class ShortStore(MemoryStore):
    def create(self, key, data, *, content_type):
        if max(map(len, key.split("/"))) > 143:
            raise StoreError(key, "File name too long")
        super().create(key, data, content_type=content_type)


@pytest.mark.parametrize(
    ("store", "problem"), [(UndoingStore(), "keeps keys as is"), (ShortStore(), "too long")]
)
def test_a_store_that_cannot_have_the_keys_there_will_be_is_found_out(store, problem):
    with pytest.raises(ConfigurationError, match=problem):
        probe(store)


class NoCreates(MemoryStore):
    def create(self, key, data, *, content_type):
        raise NotImplementedByStoreError(key, "PutObject was refused: NotImplemented (501)")


def test_a_store_without_creates_is_taken_only_where_that_is_allowed():
    with pytest.raises(ConfigurationError, match="501"):
        probe(NoCreates())
    store = NoCreates()
    assert probe(store, allow_unsafe_commit=True) is False
    assert store.all_keys() == []


def test_a_store_that_only_breaks_its_promise_in_a_race_is_found_out():
    with pytest.raises(ConfigurationError, match="allow_unsafe_commit"):
        probe(CheckThenActStore())
