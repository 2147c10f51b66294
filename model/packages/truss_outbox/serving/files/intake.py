"""Getting a request's files into its work directory."""

import base64
import binascii
import hashlib
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...contract.errors import (
    AccessDeniedError,
    DocumentUnavailableError,
    InvalidInputError,
    NotFoundError,
    ObjectTooLargeError,
)
from ...contract.inputs import find_place, is_readable
from ...contract.keys import MAX_SEGMENT_BYTES, escape
from ...stores import ObjectStore
from ..work import Work, WorkDirectory
from .download import Downloader
from .reference import File, files_in

logger = logging.getLogger(__name__)

# Such an object's name is its content's SHA-256, so it can be checked without being told.
_CLAIM_CHECK = re.compile(r"inputs/([0-9a-f]{64})\Z")
_NO_SUCH_OBJECT = (
    "there is no such object that this model may read; put it there before the request"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class FileIntake:
    """Where requests' files come from, and how large one may be.

    `input_stores` are further places from which `input` may name an object, by its full address.
    """

    store: ObjectStore
    input_stores: Sequence[ObjectStore] = ()
    downloader: Downloader = field(default_factory=Downloader)
    max_bytes: int

    def take_all(self, value: Any, directory: WorkDirectory) -> None:
        """Put every File in a parsed input into the directory, under its dotted path in the input.

        Raises InvalidInputError, DocumentUnavailableError, and StoreError where the store fails.
        """
        for name, file in files_in(value):
            path = directory.path / escape(name)[-MAX_SEGMENT_BYTES:]
            self.take(file, path, name=name)
            file.put_at(path, kept_by=directory)

    def take(self, file: File, path: Path, *, name: str) -> None:
        """Write the file's bytes to the new file `path`; `name` is its field. Raises as above."""
        try:
            self._take(file, path)
        except (InvalidInputError, DocumentUnavailableError) as error:
            raise type(error)(f"{name}.{error.field}", error.problem) from error.__cause__

    def take_model_input(self, key: str, work: Work) -> dict[str, Any]:
        """The input that a request names instead of carrying it. Raises as above."""
        path = work.directory / "model_input"
        self.take(File(input=key), path, name="model_input")
        try:
            content = json.loads(path.read_bytes())
        except ValueError:
            raise InvalidInputError("model_input", "the object that it names is not JSON") from None
        path.unlink()
        if not isinstance(content, dict):
            raise InvalidInputError("model_input", "the object that it names is no JSON object")
        return content

    def _take(self, file: File, path: Path) -> None:
        claimed = None
        if file.base64 is not None:
            source_field = "base64"
            sha256 = _write(file.base64, path, max_bytes=self.max_bytes)
        elif file.url is not None:
            source_field = "url"
            sha256 = self.downloader.download(file.url, path, max_bytes=self.max_bytes)
        else:
            source_field = "input"
            store, key = self._place(file.input or "")
            # Of this root alone: elsewhere a name of that form promises nothing.
            claimed = _CLAIM_CHECK.match(key) if store is self.store else None
            sha256 = self._fetch(store, key, path)
        if path.stat().st_size == 0:
            raise InvalidInputError(source_field, "is empty; send a file's bytes")
        if {file.sha256, claimed[1] if claimed else None} - {None, sha256}:
            # Without the right one, which would tell what an object holds.
            raise InvalidInputError(
                source_field, "the file's SHA-256 is not the one that the request names"
            )

    def _place(self, address: str) -> tuple[ObjectStore, str]:
        """The store and the key there of the object that a request names, by key or address."""
        root, stores = self.store.root, {one.root: one for one in self.input_stores}
        whole = address if "://" in address else f"{root}/{address}"
        found = find_place(whole, root=root, input_roots=list(stores))
        if found is None or not is_readable(found[1]):
            raise InvalidInputError(
                "input",
                "must name an object below inputs/ of this model's root, by its key (inputs/...)"
                " or full address, or one under its input_roots by its full address",
            )
        place, key = found
        return self.store if place == root else stores[place], key

    def _fetch(self, store: ObjectStore, key: str, path: Path) -> str:
        try:
            return store.get_file(key, path, max_bytes=self.max_bytes)
        except NotFoundError:
            problem = _NO_SUCH_OBJECT
        except AccessDeniedError:
            # The model's own inputs are forbidden all at once: its credentials are to be mended.
            if store is self.store:
                raise
            logger.warning("an input root may not be read", extra={"root": store.root})
            problem = _NO_SUCH_OBJECT  # one answer for both: nobody learns what is there
        except ObjectTooLargeError:
            problem = _too_large(self.max_bytes)
        raise InvalidInputError("input", problem)


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(re.sub(r"\s", "", text), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInputError(
            "base64", "is not base64 (RFC 4648, without a data: prefix)"
        ) from None


def _write(text: str, path: Path, *, max_bytes: int) -> str:
    # Base64 is a third longer than what it holds; checked before that is in memory twice.
    _check_size("base64", len(text) * 3 // 4, max_bytes=max_bytes)
    content = _decode(text)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def _check_size(field: str, size: int, *, max_bytes: int) -> None:
    if size > max_bytes:
        raise InvalidInputError(field, _too_large(max_bytes))


def _too_large(max_bytes: int) -> str:
    return f"is larger than {max_bytes} bytes, this model's max_document_bytes; send a smaller file"
