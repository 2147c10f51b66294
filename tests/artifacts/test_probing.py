"""A store that breaks a promise is found out when the model loads."""

import pytest

from model.artifacts.errors import AccessDeniedError, ConfigurationError
from model.artifacts.probing import probe
from model.artifacts.stores.memory import MemoryStore


class OverwritingStore(MemoryStore):
    def create(self, key, data, *, content_type):
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
