"""One document at a time: its pages are read one after the other and written as they come."""

import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self

from pydantic import JsonValue

from truss_outbox import InvalidInputError, Outputs, run_isolated

from .files.documents import Decoded, open_pages, ready
from .reading.engine import Engine, load_engine
from .reading.layout import arrange, without_faint
from .reading.orientation import read_upright
from .reading.reading import Line, Page
from .reading.unread import READABLE, REMEDY, judge
from .request import ArtifactName, Request
from .settings import InferenceSettings
from .writing.writers import open_writer

_MAX_WARNINGS = 100


class Summary:
    """A result in a few numbers, counted over the pages added so far.

    Each line counts once in `mean_confidence`, however long it is. The first hundred warnings are
    in it; each page's own are in document.json.
    """

    def __init__(self) -> None:
        self._pages = 0
        self._turned_pages = 0
        self._lines = 0
        self._characters = 0
        self._confidence = 0.0
        self._unreadable_pages = 0
        self._warnings: list[str] = []

    def add(self, page: Page) -> None:
        self._pages += 1
        self._turned_pages += page.rotation != 0
        self._lines += len(page.lines)
        self._characters += sum(len(line.text) for line in page.lines)
        self._confidence += sum(line.confidence for line in page.lines)
        self._unreadable_pages += not page.readable
        left = _MAX_WARNINGS - len(self._warnings)
        self._warnings += [f"page {page.number}: {warning}" for warning in page.warnings][:left]

    def result(self) -> JsonValue:
        """`mean_confidence` is null where there is no line."""
        return {
            "pages": self._pages,
            "turned_pages": self._turned_pages,
            "unreadable_pages": self._unreadable_pages,
            "lines": self._lines,
            "characters": self._characters,
            "mean_confidence": round(self._confidence / self._lines, 4) if self._lines else None,
            "warnings": list(self._warnings),
        }


class DocumentInference:
    """Safe to share between threads; the models are not, so one page is read at a time."""

    def __init__(self, engine: Engine, settings: InferenceSettings) -> None:
        self._engine = engine
        self._settings = settings
        self._lock = threading.Lock()

    @classmethod
    def load(cls, settings: Mapping[str, JsonValue], data_directory: Path) -> Self:
        """Raises ConfigurationError."""
        parsed = InferenceSettings.parse(settings)
        run_isolated(ready)
        return cls(load_engine(parsed, data_directory), parsed)

    def run(self, request: Request, work_directory: Path) -> Outputs:
        """Read the request's document. Raises InvalidInputError."""
        directory = work_directory / "outputs"
        directory.mkdir()
        summary = Summary()
        with ExitStack() as stack:
            pages = stack.enter_context(open_pages(request, self._settings))
            writers = [
                stack.enter_context(open_writer(name, directory / name))
                for name in request.artifacts
            ]
            for decoded in pages:
                page = self._read(decoded, request)
                self._check_readable(page, request)
                summary.add(page)
                for write in writers:
                    write(page)
        return Outputs(result=summary.result(), files=_files(request.artifacts, directory))

    def _read(self, decoded: Decoded, request: Request) -> Page:
        started = time.perf_counter()
        image = decoded.image
        if image.layer is None:
            read = partial(self._engine.read, quality=request.quality or self._settings.quality)
            with self._lock:
                pixels, rotation, lines = read_upright(read, image.pixels)
        else:
            pixels, rotation, lines = image.pixels, 0, list(image.layer)
        judgement = judge(lines) if image.layer is None else READABLE
        # Arranged before they are left out: a faint piece may belong to a certain line.
        blocks = [
            without_faint(block, request.min_confidence) for block in arrange(_with_text(lines))
        ]
        return Page(
            number=decoded.number,
            image=image.turned(pixels, rotation),
            rotation=rotation,
            blocks=[block for block in blocks if block.lines],
            text_source="ocr" if image.layer is None else "layer",
            readable=judgement.readable,
            warnings=[*image.warnings, *judgement.warnings],
            render_seconds=decoded.seconds,
            read_seconds=time.perf_counter() - started,
        )

    def _check_readable(self, page: Page, request: Request) -> None:
        if page.readable or (request.unreadable or self._settings.unreadable) == "warn":
            return
        raise InvalidInputError("document", f"page {page.number}: {page.warnings[-1]}; {REMEDY}")


def _with_text(lines: Iterable[Line]) -> list[Line]:
    return [line for line in lines if line.text]


def _files(artifacts: Iterable[ArtifactName], directory: Path) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for name in artifacts:
        path = directory / name
        found = sorted(path.iterdir()) if path.is_dir() else [path]
        files |= {file.relative_to(directory).as_posix(): file for file in found}
    return files
