"""What the model's server says, as the model's author reads it: tracebacks in brief."""

import json
import logging
import os
import re
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ..logs import model_logger
from . import launcher
from .layout import TrussLayout

_FRAME = re.compile(r'\s*File "(?P<file>.+)", line (?P<line>\d+)(?:, in (?P<function>.+))?')
_BEGIN = "Traceback (most recent call last):"
_SHOWN_FRAMES = 2
_REFUSED = re.compile(r"(?:\w+\.)*HTTPException: (4\d\d): (.*)", re.DOTALL)
_MAX_EXTRA = 200
_MAX_BARE = 1_000

# What Truss adds to each line, and what is shown elsewhere.
_KNOWN_FIELDS = frozenset(
    {"asctime", "levelname", "message", "exc_info", "stack", "request_id", "chain_request_id"}
    | {"startup", "taskName", "color_message", "failed_request_id"}
)

# Of each start and end of a server, whatever the model is.
_ROUTINE = (
    *("Using no-op tracing", "Started server process", "Waiting for application startup"),
    *("Executing model.load()", "Application startup complete", "Loading truss model from file"),
    *("Trying shut down after failed model load", "Shutting down", "Finished server process"),
    *("Waiting for application shutdown", "Application shutdown complete"),
    *("Failed to load model. Retrying", "Waiting for background tasks", "Uvicorn running on"),
    *("Waiting for connections to close", "Cancel "),
)
_NO_MODEL_FILE = "No module class file found"
_NO_MODULE = re.compile(r"^ModuleNotFoundError: No module named '([^']+)'", re.MULTILINE)
_PACKAGES = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""What brings a module that is called otherwise, of those that models import most."""
_LOADING_FAILED = "Exception while loading model"
_HANDLED = re.compile(r'"message": "Handled request: [A-Z]+ /v1/\S+ HTTP/[\d.]+ \d{3}"')
"""Truss's line about an answer; who has called it says so, too."""
# Truss's own words beside an exception, which say nothing more than it does.
_FAILED = frozenset({"Internal Server Error (in model/chainlet).", "Model raised HTTPException"})
_WORDLESS = _FAILED | {"Exception in ASGI application"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelLine:
    """A line of the model's server, which writes JSON objects where it can.

    `traceback` is Python's text of an exception, or of where the model is; `extras` are what was
    logged beside the message. `is_failure` where it says that a request has failed, as Truss and
    our own library do, one after the other.
    """

    level: int = logging.INFO
    message: str = ""
    traceback: str = ""
    request_id: str | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)
    is_structured: bool = True
    is_failure: bool = False

    @classmethod
    def parse(cls, line: str) -> Self:
        try:
            fields = json.loads(line)
            message = str(fields.get("message", "")).strip()
            return cls(
                level=logging.getLevelNamesMapping()[fields["levelname"]],
                message=message,
                traceback=str(fields.get("exc_info") or fields.get("stack") or ""),
                request_id=fields.get("request_id"),
                extras={name: fields[name] for name in fields if name not in _KNOWN_FIELDS},
                is_failure=message in _FAILED or "failed_request_id" in fields,
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls(message=line, is_structured=False)

    @property
    def is_routine(self) -> bool:
        return self.level < logging.ERROR and self.message.startswith(_ROUTINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    file: Path
    line: int
    function: str = ""
    code: str = ""

    def at(self, path: Path) -> str:
        """One line: where it is in the file at `path`, and what stands there."""
        place = f"{shown(path)}:{self.line}"
        function = f" in {self.function}" if self.function not in {"", "<module>"} else ""
        return f"{place}{function}{': ' if self.code else ''}{self.code}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """An exception, or a place of the model, from Python's text of its traceback."""

    exception: str = ""
    frames: tuple[Frame, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Of several exceptions the last, which is the one that was not caught."""
        frames: list[Frame] = []
        exception: list[str] = []
        for line in text.rpartition(_BEGIN)[2].splitlines():
            if found := _FRAME.fullmatch(line):
                place = found["file"], int(found["line"]), found["function"] or ""
                frames.append(Frame(file=Path(place[0]), line=place[1], function=place[2]))
            elif exception or (line and not line[0].isspace()):
                exception.append(line)
            elif frames and not frames[-1].code and line.strip(" ~^"):
                last = frames[-1]
                frames[-1] = Frame(
                    file=last.file, line=last.line, function=last.function, code=line.strip()
                )
        return cls(exception="\n".join(exception).strip(), frames=tuple(frames))

    def places(self, layout: TrussLayout) -> Iterator[str]:
        """The innermost lines in the author's files, the innermost first, and where it was raised.

        The Truss server's own frames are left out.
        """
        own = [(frame, path) for frame in self.frames if (path := layout.source_of(frame.file))]
        yield from (frame.at(path) for frame, path in own[: -_SHOWN_FRAMES - 1 : -1])
        if self.exception and own and own[-1][0] is not self.frames[-1]:
            last = self.frames[-1]
            _, installed, within = str(last.file).rpartition("site-packages/")
            if installed:
                yield f"inside {last.at(Path(within))}"


@dataclass(kw_only=True)
class ModelLog:
    """Repeats what one model's server says, as one event each, in the log of the stand-in.

    While `is_quiet`, what is less than a warning is left out, as where a start is repeated.
    """

    layout: TrussLayout
    whole_tracebacks: bool = False
    is_quiet: bool = False
    _failure: Problem | None = None
    _last_words: str = ""
    _bare: list[str] = field(default_factory=list)
    _told: set[str] = field(default_factory=set)

    def why_it_ended(self, exit_code: int | None) -> str:
        """In a few lines: what went wrong, where, and what its author can do."""
        if self._failure is not None:
            return "\n".join(_explained(self._failure, self.layout))
        if exit_code is not None and exit_code < 0:
            return f"ended by {signal.Signals(-exit_code).name}"
        return self._last_words or f"its server ended with exit code {exit_code}"

    def repeat(self, text: str) -> None:
        if _HANDLED.search(text):
            if self._told:
                self._told.discard(str(ModelLine.parse(text).request_id))
            return
        line = ModelLine.parse(text)
        if line.is_structured:
            self._repeat_event(line)
        elif self._bare or text == _BEGIN:
            self._gather(text)
        elif text.strip():
            self._last_words = text
            self._log(line)

    def _gather(self, text: str) -> None:
        """Of a traceback that comes line by line, as that of a thread."""
        self._bare.append(text)
        is_whole = text and not text[0].isspace() and text != _BEGIN
        if is_whole or len(self._bare) > _MAX_BARE:
            traceback = "\n".join(self._bare)
            self._bare.clear()
            self._last_words = text
            problem = Problem.parse(traceback)
            if any(frame.file.name == Path(launcher.__file__).name for frame in problem.frames):
                self._failure = problem  # of the server itself, which then ends
            else:
                self._repeat_event(ModelLine(level=logging.ERROR, traceback=traceback))

    def _repeat_event(self, line: ModelLine) -> None:
        problem = Problem.parse(line.traceback)
        if line.message.startswith(_LOADING_FAILED):
            self._failure = problem
            if self.whole_tracebacks:
                self._log(line, line.traceback)
        elif not self._is_known(line):
            if line.is_failure and line.request_id is not None:
                self._told.add(line.request_id)
            if refused := _REFUSED.fullmatch(problem.exception):
                self._refuse(line, problem, *refused.groups())
            else:
                self._log(line, *self._words(line, problem))

    def _is_known(self, line: ModelLine) -> bool:
        """Whether it says nothing that was not said: of a start, or of a request that failed."""
        is_told = line.request_id is not None and line.request_id in self._told
        return line.is_routine or (is_told and line.is_failure)

    def _refuse(self, line: ModelLine, problem: Problem, status: str, detail: str) -> None:
        """A request that the model does not accept is its caller's mistake: one line."""
        place = next(problem.places(self.layout), "").split(": ")[0]
        at = {"at": place} if place else {}
        words = f"refused with {status}: {detail}"
        self._write(logging.WARNING, words, request_id=line.request_id, extras=at)

    def _words(self, line: ModelLine, problem: Problem) -> Iterator[str]:
        if problem.exception and problem.exception not in line.message:
            yield problem.exception
        if self.whole_tracebacks:
            yield line.traceback
        elif line.traceback:
            places = list(problem.places(self.layout))
            yield from places or [frame.at(frame.file) for frame in problem.frames[-1:]]

    def _log(self, line: ModelLine, *words: str) -> None:
        if self.is_quiet and line.level < logging.WARNING:
            return
        message = "" if words and line.message in _WORDLESS else line.message
        text = "\n".join(part for part in (message, *words) if part)
        extras = line.extras
        if line.traceback:
            extras = {name: extras[name] for name in extras if name != "frames"}
        self._write(line.level, text, request_id=line.request_id, extras=extras)

    def _write(
        self, level: int, text: str, *, request_id: str | None, extras: Mapping[str, Any]
    ) -> None:
        shortened = {name: _shortened(value) for name, value in extras.items()}
        extra: dict[str, Any] = {"extras": shortened}
        if request_id is not None:
            extra["request_id"] = request_id
        model_logger.log(level, "%s", text, extra=extra)


def _explained(problem: Problem, layout: TrussLayout) -> Iterator[str]:
    """The lines about a model that did not load."""
    if problem.exception.endswith(_NO_MODEL_FILE) and not layout.model_file.exists():
        yield f"{shown(layout.model_file)} does not exist"
        yield f"model_module_dir and model_class_filename of {shown(layout.config)} name it"
        return
    yield problem.exception
    places = list(problem.places(layout))
    yield from places or [f"in {shown(layout.model_file)}"]
    if missing := _NO_MODULE.search(problem.exception):
        yield _about_module(missing[1].partition(".")[0], layout)


def _about_module(name: str, layout: TrussLayout) -> str:
    beside = [layout.model_file.with_name(name), layout.model_file.with_name(f"{name}.py")]
    if any(path.exists() for path in beside):
        return f"{name} lies beside the model: from {layout.model_file.parent.name} import {name}"
    package = _PACKAGES.get(name, name)
    return f"to install it, add {package} to the requirements in {shown(layout.requirements_file)}"


def shown(path: Path) -> str:
    """As it is typed from here, where it lies below this folder."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _shortened(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= _MAX_EXTRA else f"{text[:_MAX_EXTRA]}…"
