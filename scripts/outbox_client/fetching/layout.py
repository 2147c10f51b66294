"""Where the files of a fetched result go, below the directory that was asked for."""

import hashlib
import sqlite3
import string
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Self

from truss_outbox.contract.errors import InvalidInputError, ManifestError
from truss_outbox.contract.keys import SHORTENED, KeyTemplate, escape, hash2
from truss_outbox.contract.manifest import Manifest

from ..errors import UnsafePathError

MANIFEST = "manifest.json"
"""A fetched result's manifest, written last: its presence means that all the others are there."""

_OPTION = "--output-template"
_FIELDS = frozenset({"key", "job", "item", "request_id", "model", "environment", "artifact"})


@dataclass(frozen=True, slots=True)
class Layout:
    """A parsed template of paths: `(literal, field)` pairs, the last field possibly empty.

    `{key}` is the result's below the job's prefix, `{artifact}` the file's name: both keep their
    folders, unless `flat` makes dots of an artifact's. All else is escaped as in keys. What is too
    long for a file's name is shortened to its beginning, a digest and its end.

    With `by_item` each result has a folder of its own, called as its item is, in place of `{key}`.
    """

    parts: tuple[tuple[str, str], ...]
    flat: bool = False
    by_item: bool = False

    @classmethod
    def parse(cls, text: str, *, flat: bool = False) -> Self:
        """Raises InvalidInputError."""
        try:
            parts = tuple(_parts(text))
        except ValueError as error:
            raise InvalidInputError(_OPTION, str(error)) from error
        if "\0" in text or any(part in {"", ".", ".."} for part in text.split("/")):
            raise InvalidInputError(_OPTION, "must be a path below --to")
        return cls(parts, flat)

    def path(self, manifest: Manifest, name: str, *, below: str) -> str | None:
        """A file's path, relative. None for a manifest that has no place of its own.

        Raises ManifestError where the result lacks what the template needs.
        """
        if name == MANIFEST and all(field != "artifact" for _, field in self.parts):
            return None
        if self.flat:
            name = name.replace("/", ".")
        own = {"": "", "key": below, "artifact": name}
        path = "".join(
            literal + (own[field] if field in own else escape(value_of(manifest, field)))
            for literal, field in self.parts
        )
        if len(path) <= _MOST_BYTES // 4:  # bytes of a character, at most
            return path
        return "/".join(map(_fitting, path.split("/")))


_MOST_BYTES, _HEAD_BYTES, _TAIL_BYTES = 250, 150, 60


def _fitting(name: str) -> str:
    data = name.encode()
    if len(data) <= _MOST_BYTES:
        return name
    head, tail = data[:_HEAD_BYTES].decode(errors="ignore"), data[-_TAIL_BYTES:]
    digest = hashlib.sha256(data).hexdigest()[:32]
    return f"{head}{SHORTENED}{digest}{tail.decode(errors='ignore')}"


def _parts(text: str) -> Iterator[tuple[str, str]]:
    for literal, field, spec, conversion in string.Formatter().parse(text):
        if spec or conversion or field == "":
            raise ValueError("a field is written {name}, without : or !")
        if field and field not in _FIELDS and not field.startswith("labels."):
            known = ", ".join(sorted(_FIELDS))
            raise ValueError(f"unknown field {{{field}}}; there are {known} and labels.NAME")
        yield literal, field or ""


def value_of(manifest: Manifest, field: str) -> str:
    """Raises ManifestError where the result has none."""
    own: dict[str, str | None] = {
        "model": manifest.model.name,
        "environment": manifest.model.environment,
        "hash2": hash2(manifest.job, manifest.item),
        **{name: getattr(manifest, name) for name in ("job", "item", "request_id")},
    }
    value = own[field] if field in own else manifest.labels.get(field.removeprefix("labels."))
    if value is None:
        raise ManifestError(f"the result has no {field!r}, which {_OPTION} asks for")
    return value


FOLDERS = replace(Layout.parse("{key}/{artifact}"), by_item=True)
FLAT = Layout.parse("{item}.{artifact}", flat=True)


class TakenPaths:
    """Keeps two results from taking one path, and one from lying in the folder of another.

    Any number of them, on disk, in a file that SQLite removes. Safe to use from several threads.
    """

    def __init__(self, *, ignores_case: bool) -> None:
        self._ignores_case = ignores_case
        self._lock = threading.Lock()
        self._paths = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._paths.execute("PRAGMA journal_mode = OFF")
        # A folder that is no result's is taken by the first key in it.
        self._paths.execute(
            "CREATE TABLE taken (path TEXT PRIMARY KEY, key TEXT, is_folder INTEGER) WITHOUT ROWID"
        )

    def take(self, path: str, *, key: str) -> None:
        """Raises UnsafePathError where another key has taken it, a folder of it or a part."""
        place = path.casefold() if self._ignores_case else path
        folders = [place[:end] for end, char in enumerate(place) if char == "/"]
        with self._lock:
            other = self._other(place, folders, key)
            if other is None:
                self._paths.execute("INSERT OR REPLACE INTO taken VALUES (?, ?, 0)", (place, key))
                for folder in folders:
                    self._paths.execute(
                        "INSERT OR IGNORE INTO taken VALUES (?, ?, 1)", (folder, key)
                    )
                return
        raise UnsafePathError(
            f"{path} is the place of {other} already; fetch with another {_OPTION}"
        )

    def _other(self, place: str, folders: Sequence[str], key: str) -> str | None:
        for path in (place, *folders):
            found = self._paths.execute(
                "SELECT key FROM taken WHERE path = ? AND key != ? AND (path = ? OR NOT is_folder)",
                (path, key, place),
            ).fetchone()
            if found is not None:
                return str(found[0])
        return None

    def close(self) -> None:
        self._paths.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Globs as a shell has them, but `*` goes over slashes; none means all.

    `include` and `exclude` are of items, `only` is of the names of artifacts and of the manifest.
    """

    only: Sequence[str] = ()
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    layout: Layout = FOLDERS

    @property
    def takes_all_items(self) -> bool:
        return not self.include and not self.exclude

    def takes_item(self, item: str) -> bool:
        is_included = not self.include or _matches(item, self.include)
        return is_included and not _matches(item, self.exclude)

    def may_take(self, key: str, template: KeyTemplate) -> bool:
        """By the key of a result alone, which mostly tells: then its manifest need not be read."""
        return self.takes_all_items or template.may_be_of(key, self.takes_item)

    def takes_file(self, name: str) -> bool:
        return not self.only or _matches(name, self.only)


EVERYTHING = Selection()


def _matches(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)
