"""Whether memory and time per page stay as they are over many documents and many pages."""

import sys
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, cycle, islice
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

from PIL import Image

from .. import PROJECT
from .kinds import KINDS
from .readers import Checkout, Reading, reading_checkout
from .sheets import Sheet
from .texts import sentences

_DOCUMENTS, _PAGES = 200, 1000
_QUICK_DOCUMENTS, _QUICK_PAGES = 20, 50
_STEPS = 10
_DIFFERENT_PAGES = 50
_SIDE = 736  # the page that is read fastest
_EXAMPLES = PROJECT / "data" / "examples"
_SMALL = ("forms", "tables", "notes", "vertical")
_FORMATS = ("png", "jpeg", "tiff", "pdf", "webp")


def measure_flat(*, quick: bool) -> str:
    """Each in a process of its own; what is drawn twice differs, so that nothing is remembered."""
    documents, pages = (_QUICK_DOCUMENTS, _QUICK_PAGES) if quick else (_DOCUMENTS, _PAGES)
    lines: list[str] = []
    with TemporaryDirectory() as name:
        for many in (_mixed(Path(name), documents), _long(Path(name), pages)):
            for line in many:
                sys.stderr.write(line)
                lines.append(line)
    return "".join(lines)


def _mixed(directory: Path, count: int) -> Iterator[str]:
    yield f"{count} mixed documents, {count // _STEPS} at a time\n"
    documents = cycle(_documents(directory))
    with reading_checkout(PROJECT) as reader:
        for step in range(_STEPS):
            some = list(islice(documents, count // _STEPS))
            readings = [reader.read(document) for document in some]
            read = [reading for reading in readings if reading.error is None]
            pages = sum(len(reading.page_seconds) for reading in read)
            seconds = sum(reading.seconds for reading in read) / pages
            yield _line(step, seconds, read[-1].resident[-1][1], refused=len(some) - len(read))


def _documents(directory: Path) -> list[Path]:
    """The samples, pages of some kinds in every format, and two that are refused."""
    paths = sorted(path for path in _EXAMPLES.iterdir() if path.is_file())
    pages = chain.from_iterable(KINDS[kind]() for kind in _SMALL)
    for page, ending in zip(pages, cycle(_FORMATS), strict=False):
        paths.append(directory / f"{len(paths)}.{ending}")
        page.image.save(paths[-1])
    for content in (b"%PDF-1.7 and no more", b"no document"):
        paths.append(directory / f"{len(paths)}.refused")
        paths[-1].write_bytes(content)
    return paths


def _long(directory: Path, count: int) -> Iterator[str]:
    yield f"one document of {count} pages, {count // _STEPS} at a time\n"
    path = directory / "long.pdf"
    first, *others = _pages(count)
    first.save(path, save_all=True, append_images=others, resolution=150)
    with reading_checkout(PROJECT) as reader:
        yield from _steps(_whole(reader, path), count)


def _whole(reader: Checkout, path: Path) -> Reading:
    reading = reader.read(path)
    if reading.error is not None:
        raise SystemExit(reading.error)
    return reading


def _pages(count: int) -> list[Image.Image]:
    pictures = [_picture(number) for number in range(_DIFFERENT_PAGES)]
    return list(islice(cycle(pictures), count))


def _picture(number: int) -> Image.Image:
    sheet = Sheet(width=_SIDE * 72 / 150, height=_SIDE * 72 / 150)
    for row, line in enumerate(islice(sentences(number), 2)):
        sheet.put(line[:40], (20, 40 + row * 40), 12)
    return sheet.image


def _steps(reading: Reading, count: int) -> Iterator[str]:
    ends: Sequence[float] = list(accumulate(reading.page_seconds))
    for step in range(_STEPS):
        some = slice(step * count // _STEPS, (step + 1) * count // _STEPS)
        until = ends[some][-1]
        held = [mebibytes for seconds, mebibytes in reading.resident if seconds <= until]
        yield _line(step, fmean(reading.page_seconds[some]), held[-1] if held else 0.0)


def _line(step: int, seconds: float, mebibytes: float, *, refused: int = 0) -> str:
    note = f", {refused} refused" if refused else ""
    return f"  {step + 1:>2}  {seconds:.3f} s a page  {mebibytes:>5.0f} MiB held{note}\n"
