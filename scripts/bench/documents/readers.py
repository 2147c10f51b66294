"""Who reads the pages: the inference of a checkout, and tesseract."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .sheets import TestPage

_READER = Path(__file__).with_name("reader.py")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """`text` is empty where the reader refused the document; `error` says why.

    `resident` are mebibytes held so many seconds after the beginning.
    """

    text: str
    seconds: float
    page_seconds: Sequence[float] = ()
    resident: Sequence[tuple[float, float]] = ()
    warnings: Sequence[str] = ()
    error: str | None = None


class Checkout:
    """The inference of a checkout: a process that reads one document after the other."""

    def __init__(self, written: IO[str], said: IO[str]) -> None:
        self._written, self._said = written, said

    def read(self, path: Path, *, dpi: int = 150) -> Reading:
        self._written.write(json.dumps({"path": str(path), "dpi": dpi}) + "\n")
        self._written.flush()
        answer = self.answer()
        if "error" in answer:
            return Reading(text="", seconds=0.0, error=answer["error"])
        return Reading(**answer)

    def answer(self) -> dict[str, Any]:
        line = self._said.readline()
        if not line:
            raise SystemExit("the process that reads has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def reading_checkout(checkout: Path) -> Iterator[Checkout]:
    """Raises SystemExit where that checkout is not set up."""
    python = checkout.absolute() / ".venv" / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"{checkout} is not set up: run scripts/setup there")
    process = subprocess.Popen(
        [python, _READER, checkout.absolute()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
        cwd=checkout,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        reader = Checkout(process.stdin, process.stdout)
        reader.answer()  # loaded
        yield reader
        process.stdin.close()


def write_document(page: TestPage, directory: Path) -> Path:
    """The page as the model is given it."""
    path = directory / ("page.pdf" if page.as_pdf else "page.png")
    options: dict[str, Any] = {"dpi": (page.dpi, page.dpi)}
    if page.as_pdf:
        options = {"resolution": page.dpi, "quality": 90}
    page.image.save(path, **options)
    return path


class Tesseract:
    """Raises SystemExit where it is not installed."""

    def __init__(self) -> None:
        program = shutil.which("tesseract")
        if program is None:
            raise SystemExit("tesseract is missing: apt-get install tesseract-ocr")
        self._program = program
        listed = self._run("--list-langs").decode().splitlines()[1:]
        self._languages = set(listed)

    def read(self, page: TestPage, directory: Path) -> Reading | None:
        """None where it has no data for the page's language."""
        if page.language not in self._languages:
            return None
        path = directory / "page-for-tesseract.png"
        page.image.save(path, dpi=(page.dpi, page.dpi))
        started = time.perf_counter()
        text = self._run(str(path), "-", "--psm", "1", "-l", page.language)
        return Reading(text=text.decode(), seconds=time.perf_counter() - started)

    def missing(self, languages: set[str]) -> str:
        """What to install for all of these."""
        names = sorted(languages - self._languages)
        packages = (f"tesseract-ocr-{name.replace('_', '-')}" for name in names)
        return f"apt-get install {' '.join(packages)}" if names else ""

    def _run(self, *arguments: str) -> bytes:
        # As it is run by those who run it beside something else: with the threads it takes.
        done = subprocess.run(
            [self._program, *arguments], capture_output=True, env=os.environ, check=False
        )
        return done.stdout
