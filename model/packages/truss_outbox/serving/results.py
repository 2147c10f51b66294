"""From what an author's code returned to the Outputs that are stored, or a sentence about why not.

Its mistakes are the same at every try, so each is an OutputsError: answered once, not repeated.
`place` names the author's code in every one of them.
"""

import inspect
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, JsonValue
from starlette.responses import Response

from ..contract.errors import OutputsError
from ..contract.manifest import Outputs, fits_manifest
from ..stores.upload import check_files


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """What is stored of an execution: a result that fits a manifest, and files on disk."""

    result: JsonValue
    files: dict[str, Path]


MAX_INLINE_BYTES = 64 << 10
"""Of a result, as JSON, that the manifest itself holds; a larger one becomes an artifact."""

RESULT_ARTIFACT = "result.json"

_REMEDIES = {
    "ndarray": "use .tolist(), or return it as a file",
    "Tensor": "use .tolist(), or return it as a file",
    "Image": "save it and return Outputs(files={'image.png': path})",
    "bytes": "return Outputs(files={'name': bytes})",
    "bytearray": "return Outputs(files={'name': bytes})",
    "set": "use a list",
    "datetime": "use .isoformat()",
    "coroutine": "await it",
}


def finish(returned: Any, directory: Path, *, place: str) -> Finished:
    """What is to be stored of what was returned.

    A result too large or too deeply nested for a manifest, and files given as bytes, are written
    into `directory`. Raises OutputsError.
    """
    outputs = returned if isinstance(returned, Outputs) else Outputs(result=returned)
    encoded = _encode(outputs.result, place=place)
    files = _checked(outputs.files, place=place)
    # Of a large one not even a copy is made.
    result = json.loads(encoded) if len(encoded) <= MAX_INLINE_BYTES else None
    if len(encoded) > MAX_INLINE_BYTES or not fits_manifest(result):
        if any(name.lower().partition("/")[0] == RESULT_ARTIFACT for name in files):
            raise OutputsError(
                f"{place} returned a result that is large or deeply nested, which is stored as the"
                f" file {RESULT_ARTIFACT}, and a file of that name: give the file another"
            )
        files[RESULT_ARTIFACT] = encoded
        result = {"artifact": RESULT_ARTIFACT}
    written = _WrittenFiles(directory)
    paths = {name: written.path_of(content) for name, content in files.items()}
    try:
        check_files(paths)
    except OutputsError as error:
        raise OutputsError(f"{place}: {error}") from None
    return Finished(result=result, files=paths)


class StreamFile:
    """What a generator yields, as one file, whose artifact is called `name`.

    Where that is empty, `stream.txt` for text, and `stream.bin` for bytes.
    """

    def __init__(self, directory: Path, *, name: str, place: str) -> None:
        self._path = directory / "outbox-stream"
        self._name = name
        self._place = place

    def __enter__(self) -> Self:
        self._file = self._path.open("wb")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, chunk: Any) -> None:
        """Raises OutputsError for what Truss could not stream."""
        if not isinstance(chunk, str | bytes | bytearray):
            raise OutputsError(
                f"{self._place} yielded a {type(chunk).__name__}: a stream is of str or bytes"
            )
        self._name = self._name or ("stream.txt" if isinstance(chunk, str) else "stream.bin")
        self._file.write(chunk.encode() if isinstance(chunk, str) else chunk)

    @property
    def finished(self) -> Finished:
        name = self._name or "stream.bin"
        return Finished(result={"artifact": name}, files={name: self._path})


def place_of(function: Callable[..., Any]) -> str:
    """Where the author's code is, such as `predict (model/model.py, line 12)`."""
    function = inspect.unwrap(getattr(function, "__func__", function))
    name = getattr(function, "__name__", type(function).__name__)
    code = getattr(function, "__code__", None)
    return f"{name} ({short(code.co_filename)}, line {code.co_firstlineno})" if code else name


def short(filename: str) -> str:
    """The end of a path: the beginning differs from image to image."""
    return "/".join(Path(filename).parts[-2:])


class _WrittenFiles:
    """Gives bytes a file, and leaves paths as they are."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "outbox-files"
        self._count = 0

    def path_of(self, content: Path | str | bytes) -> Path:
        if isinstance(content, Path | str):
            return Path(content)
        self._directory.mkdir(exist_ok=True)
        self._count += 1
        path = self._directory / str(self._count)
        path.write_bytes(content)
        return path


def _checked(files: Any, *, place: str) -> dict[str, Path | str | bytes]:
    if not isinstance(files, Mapping):
        raise OutputsError(f"{place} returned files that are no dict of names to paths or bytes")
    for name, content in files.items():
        if not isinstance(name, str) or not isinstance(content, Path | str | bytes | bytearray):
            raise OutputsError(
                f"{place} returned a {type(content).__name__} as the file {str(name)[:100]!r}:"
                " files are names with paths or bytes"
            )
    return dict(files)


def _encode(result: Any, *, place: str) -> bytes:
    if isinstance(result, Response):
        raise OutputsError(
            f"{place} returned a {type(result).__name__}, which cannot be stored: return its"
            " content, or send the request without metadata"
        )
    try:
        text = json.dumps(
            result, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_dumped
        )
        return text.encode()
    except (TypeError, ValueError, RecursionError):
        problem = _find(result, "the result") or "the result is nested too deeply for JSON"
    if inspect.iscoroutine(result):
        result.close()  # Else Python complains that nobody awaited it.
    raise OutputsError(f"{place}: {problem}")


def _dumped(value: Any) -> Any:
    """Truss answers pydantic's models too."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError


def _find(value: Any, field: str) -> str | None:
    """The first thing in a result that JSON does not have, with its place and the remedy."""
    problem: str | None = None
    match value:
        case None | bool() | int() | BaseModel():
            pass
        case str():
            problem = _find_surrogate(value, field)
        case float():
            problem = None if math.isfinite(value) else f"{field} is {value}, which JSON has not"
        case dict() | list() | tuple():
            problem = _find_inside(value, field)
        case _:
            problem = f"{field} is a {_type_name(value)}, which JSON has not: {_remedy(value)}"
    return problem


def _find_inside(value: dict[Any, Any] | list[Any] | tuple[Any, ...], field: str) -> str | None:
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    for name, part in parts:
        if not isinstance(name, str | int | float | None):
            return f"{field} has a key of type {_type_name(name)}: use str(...)"
        try:
            problem = _find(part, f"{field}.{name}"[:200])
        except RecursionError:
            return None
        if problem is not None:
            return problem
    return None


def _type_name(value: Any) -> str:
    kind = type(value)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"


def _remedy(value: Any) -> str:
    kind = type(value)
    for base in kind.__mro__:
        if base.__name__ in _REMEDIES:
            return _REMEDIES[base.__name__]
    is_number = kind.__module__.partition(".")[0] == "numpy"
    return "use .item()" if is_number else "return what json.dumps takes"


def _find_surrogate(text: str, field: str) -> str | None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"{field} holds half a surrogate pair, which is no Unicode text"
    return None
