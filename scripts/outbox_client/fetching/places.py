"""The folder of a fetched result below the target: called as the item is, with its folders.

Two results have two folders, and none lies in the other, whatever their items are called.
"""

import hashlib
import os
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from truss_outbox.contract.errors import ManifestError
from truss_outbox.contract.keys import (
    MAX_SEGMENT_BYTES,
    SHORTENED,
    KeyTemplate,
    Segment,
    escape,
    render_segment,
)
from truss_outbox.contract.manifest import Manifest
from truss_outbox.contract.names import WINDOWS_DEVICE

from ..errors import UnsafePathError
from .layout import MANIFEST, value_of

# What some file system refuses or reads as something else, and what marks an escape or a digest.
_SPECIAL = frozenset('%~/\\<>:"|?*')

# Of names that are the same in a key, in an item and on any file system.
_PLAIN = re.compile(r"(?:(?:\A|/)[A-Za-z0-9_-]+(?:\.+[A-Za-z0-9_-]+)*)+\Z")

_MOST_CHARACTERS = 800
"""Of a path: macOS takes 1,024 bytes, and few files have longer ones."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where the results of a job go below `to`; their keys begin with `prefix`.

    `is_result` says of a key whether the job has a result of it.
    """

    to: Path
    prefix: str
    template: KeyTemplate
    is_result: Callable[[str], bool]

    def folder(self, manifest: Manifest, *, below: str) -> str:
        """`below` is the key without the prefix. That is the folder's name too where it is there,
        from an earlier version, where an item's name goes on another's as if it were a folder, and
        where it is longer than a path may be.
        """
        return self.folder_of_key(below) or self._folder(below, partial(value_of, manifest))

    def folder_of_key(self, below: str) -> str | None:
        """As `folder`, without a manifest; None where the key does not tell."""
        if _PLAIN.match(below) and not any(map(WINDOWS_DEVICE.match, below.split("/"))):
            return below  # nothing in it is escaped
        values = self.template.values(self.prefix + below)
        return None if values is None else self._folder(below, values.__getitem__)

    def _folder(self, below: str, value: Callable[[str], str]) -> str:
        place = self._readable(below, value)
        if place in {None, below} or (self.to / below).is_dir():
            return below
        return place

    def _readable(self, below: str, value: Callable[[str], str]) -> str | None:
        """None where the key has to do."""
        segments = list(self.template.segments())[self.prefix.count("/") :]
        try:
            keys = [render_segment(one, value) for one in segments]
        except ManifestError:
            return None
        if keys != below.split("/"):
            return None  # of another template: what stands where is not known
        texts = [_text(segment, value) for segment in segments]
        pairs = zip(keys, texts, strict=True)
        names = [key if text is None else _name(text) for key, text in pairs]
        if texts[-1] is not None and segments[-1][-1][1]:
            is_long = len(texts[-1]) > _MOST_CHARACTERS
            if is_long or self._is_in_another(keys, segments[-1], texts[-1]):
                return None
            names[-1] = "/".join(map(_name, texts[-1].split("/")))
        return "/".join(names)

    def _is_in_another(self, keys: list[str], segment: Segment, text: str) -> bool:
        """Whether the item of another result is called as one of this one's folders."""
        for end in (end for end, char in enumerate(text) if char == "/"):
            value = text[len(segment[-1][0]) : end]
            above = [*keys[:-1], render_segment(segment, {segment[-1][1]: value}.__getitem__)]
            if self.is_result(self.prefix + "/".join(above)):
                return True
        return False

    def check_free(
        self, place: str, manifest: Manifest, data: bytes, *, names: Container[str]
    ) -> None:
        """Raises UnsafePathError where another result's files, of an earlier fetch, are there.

        `names` are the artifacts'.
        """
        for above in reversed(_folders_of(place)):
            if (self.to / above / MANIFEST).is_file():
                raise _taken(place, Path(above))
        if not os.path.isdir(f"{self.to}/{place}"):  # noqa: PTH112  # once a result
            return
        folder = self.to / place
        if not (folder / MANIFEST).is_file():
            for found in (path.relative_to(folder) for path in folder.rglob(f"*/{MANIFEST}")):
                if found.as_posix() not in names:
                    raise _taken(place, Path(place, found.parent))
        elif not _is_the_folder_of(manifest, folder, data):
            raise _taken(place, Path(place))


class PlacesUnderWay:
    """The folders of results that are being brought, whose manifests are not on disk yet.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys = dict[str, str]()
        self._folders = Counter[str]()

    def take(self, place: str, *, key: str) -> None:
        """Until `give_back`. Raises UnsafePathError where it lies in another's, or the reverse."""
        folders = _folders_of(place)
        with self._lock:
            for other in (*folders, place):
                if other in self._keys:
                    raise _taken(place, Path(other))
            if place in self._folders:
                raise _taken(place, Path(place))
            self._keys[place] = key
            self._folders.update(folders)

    def give_back(self, place: str, *, key: str) -> None:
        """If the key has taken it."""
        with self._lock:
            if self._keys.get(place) == key:
                del self._keys[place]
                for folder in _folders_of(place):
                    self._folders[folder] -= 1
                    if not self._folders[folder]:
                        del self._folders[folder]


def _folders_of(place: str) -> list[str]:
    return [place[:end] for end, char in enumerate(place) if char == "/"]


def _taken(place: str, other: Path) -> UnsafePathError:
    return UnsafePathError(
        f"{place}: the folder {other.as_posix()} has another result; fetch to another directory, or"
        " with an --output-template"
    )


def _is_the_folder_of(manifest: Manifest, folder: Path, data: bytes) -> bool:
    """Also where it has the same item's result of another job, which this one replaces."""
    there = (folder / MANIFEST).read_bytes()
    try:
        return there == data or Manifest.from_bytes(there).item == manifest.item
    except ManifestError:
        return True  # nobody's: it is replaced


def _text(segment: Segment, value: Callable[[str], str]) -> str | None:
    """The segment with its field's value as it is; None where two could not be told apart."""
    fields = [field for _, field in segment if field]
    if len(fields) > 1:
        return None
    return "".join(literal + (value(field) if field else "") for literal, field in segment)


def _name(text: str) -> str:
    """`text` as a name on any file system; no two texts give names that one would mix up, but for
    the case of letters."""
    if not text:
        return escape(text)
    is_composed = unicodedata.is_normalized("NFC", text)
    name = "".join(char if _is_plain(char, is_composed) else escape(char) for char in text)
    if name.startswith(".") or WINDOWS_DEVICE.match(name):
        name = f"%{ord(name[0]):02X}{name[1:]}"
    if name.endswith((".", " ")):
        name = f"{name[:-1]}%{ord(name[-1]):02X}"
    if len(name.encode()) <= MAX_SEGMENT_BYTES:
        return name
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    head = name.encode()[: MAX_SEGMENT_BYTES - len(SHORTENED) - len(digest)]
    return f"{head.decode(errors='ignore')}{SHORTENED}{digest}"


def _is_plain(char: str, is_composed: bool) -> bool:
    is_known = char.isascii() or is_composed  # else macOS would take it for the composed one
    return is_known and char.isprintable() and char not in _SPECIAL
