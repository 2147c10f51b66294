"""A directory as a store: what a power cut leaves, and file systems without hard links."""

import errno
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from truss_outbox.contract.errors import (
    AlreadyExistsError,
    ConfigurationError,
    NotImplementedByStoreError,
)
from truss_outbox.stores.directory import DirectoryStore, _rename_to_new
from truss_outbox.stores.probing import UnsafeStore, probe

TEXT = "text/plain"

# Tells what a store does to the file system, as Python's audit hooks see it: a folder that is
# opened is opened to be synced.
_TRACED = """
import json, os, sys
from pathlib import Path
from truss_outbox.stores.directory import DirectoryStore

events, watched = [], {"open": 0, "os.mkdir": 0, "os.link": 1}

def note(event, arguments):
    if event in watched:
        path = arguments[watched[event]]
        if not isinstance(path, int) and (event != "open" or os.path.isdir(path)):
            events.append((event, os.fspath(path)))

root = Path(sys.argv[1])
store = DirectoryStore(root)
sys.addaudithook(note)
for key in sys.argv[2:]:
    store.create(key, b"x", content_type="text/plain")
print(json.dumps(events))
"""


def events_of(root, *keys) -> list[tuple[str, str]]:
    """Of a process of its own, which creates these objects."""
    done = subprocess.run(
        [sys.executable, "-c", _TRACED, str(root), *keys], capture_output=True, check=True
    )
    return [(event, path) for event, path in json.loads(done.stdout)]


def parent(path: str) -> str:
    return os.path.dirname(path)  # noqa: PTH120


def test_every_new_folder_is_on_disk_before_the_object_has_its_name(tmp_path):
    root = tmp_path / "new" / "root"
    events = events_of(root, "manifests/job=J/I.json")
    named = next(number for number, (event, _) in enumerate(events) if event == "os.link")
    made = [path for event, path in events if event == "os.mkdir" and ".tmp" not in path]
    assert made == [
        *(str(tmp_path / "new"), str(root), str(root / "manifests"), str(root / "manifests/job=J")),
    ]
    for path in made:
        begun = events.index(("os.mkdir", path))
        assert ("open", parent(path)) in events[begun:named]
    assert ("open", str(root / "manifests/job=J")) in events[named:]


def test_a_folder_that_another_process_has_just_made_is_synced_too(tmp_path):
    (tmp_path / "manifests" / "job=J").mkdir(parents=True)
    events = events_of(tmp_path, "manifests/job=J/1.json", "manifests/job=J/2.json")
    assert events.count(("open", str(tmp_path))) == 1  # once: the second object costs nothing more
    assert events.count(("open", str(tmp_path / "manifests"))) == 1
    assert events.count(("open", str(tmp_path / "manifests/job=J"))) == 2


def refusing(code: int):
    def refuse(source: str, target: object) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


CODES = [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK]


@pytest.mark.parametrize("code", CODES)
def test_without_hard_links_of_many_creators_one_succeeds(tmp_path, code):
    store = DirectoryStore(tmp_path, ways=[refusing(code), _rename_to_new])
    together = threading.Barrier(8)

    def create(number: int) -> int | None:
        together.wait(10)
        try:
            store.create("race", b"%d" % number, content_type=TEXT)
        except AlreadyExistsError:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        (winner,) = [number for number in pool.map(create, range(8)) if number is not None]
    assert store.get("race") == b"%d" % winner
    assert list((tmp_path / ".tmp").iterdir()) == []
    assert probe(store)


def test_a_file_system_that_can_take_no_free_name_is_named_with_the_remedy(tmp_path):
    store = DirectoryStore(tmp_path, ways=[refusing(errno.EPERM), refusing(errno.EINVAL)])
    with pytest.raises(NotImplementedByStoreError):
        store.create("k", b"x", content_type=TEXT)
    with pytest.raises(ConfigurationError, match=r"neither hard links nor .* or a bucket"):
        probe(store)
    assert probe(store, allow_unsafe_commit=True) is False
    unsafe = UnsafeStore(store)
    unsafe.create("k", b"x", content_type=TEXT)
    with pytest.raises(AlreadyExistsError):
        unsafe.create("k", b"y", content_type=TEXT)
    assert store.get("k") == b"x"


def test_a_refusal_that_has_another_cause_is_told_as_it_is(tmp_path):
    store = DirectoryStore(tmp_path, ways=[refusing(errno.ENOSPC), _rename_to_new])
    with pytest.raises(OSError, match="No space left"):
        store.create("k", b"x", content_type=TEXT)
