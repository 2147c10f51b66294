"""What the model costs beyond rapidocr: rendering, righting, and writing the artifacts."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rapidocr import RapidOCR

from model.inference import Request, load
from model.inference.files.documents import open_pages
from model.inference.reading.parameters import rapidocr_parameters
from model.inference.reading.reading import Pixels
from model.inference.settings import InferenceSettings

from .. import PROJECT
from ..measuring import in_turn, verdict

DATA = PROJECT / "data"
DOCUMENTS = ("minutes.pdf", "scanned-letter.pdf", "rechnung.pdf", "notice-zh.png", "photo.png")
REPETITIONS = 5
LIMIT = 1.1


def measure() -> str:
    """Both read the same pages in turn, `REPETITIONS` times; the median of each document counts."""
    settings = InferenceSettings()
    model = load({}, DATA)
    bare = RapidOCR(params=rapidocr_parameters(settings, DATA) | {"Global.return_word_box": False})
    documents = [DATA / "examples" / name for name in DOCUMENTS]
    requests = [_request(document) for document in documents]
    rendered = [_render(request, settings) for request in requests]
    bare(rendered[0][0])  # loads the models

    def read_bare(place: int) -> None:
        for page in rendered[place]:
            bare(page)

    def read_model(place: int) -> None:
        with TemporaryDirectory() as directory:
            model.run(requests[place], Path(directory))

    totals = {"bare": 0.0, "model": 0.0}
    for place in range(len(documents)):
        ways = {"bare": partial(_seconds, read_bare, place)}
        ways["model"] = partial(_seconds, read_model, place)
        for name, seconds in in_turn(ways, REPETITIONS).items():
            totals[name] += median(seconds)
    pages = sum(map(len, rendered))
    return _report(pages=pages, bare=totals["bare"] / pages, model=totals["model"] / pages)


def _request(document: Path) -> Request:
    request = Request.model_validate({"document": {"base64": "-"}})
    request.document.put_at(document, kept_by=None)
    return request


def _render(request: Request, settings: InferenceSettings) -> list[Pixels]:
    with open_pages(request, settings) as pages:
        return [page.image.pixels for page in pages]


def _seconds(read: Callable[[int], None], place: int) -> float:
    started = time.perf_counter()
    read(place)
    return time.perf_counter() - started


def _report(*, pages: int, bare: float, model: float) -> str:
    ratio = model / bare
    return (
        f"{pages} pages, {REPETITIONS} times each, in turn\n"
        f"bare rapidocr  {bare:.3f} s per page\n"
        f"the model      {model:.3f} s per page\n"
        f"ratio          {ratio:.3f} ({verdict(LIMIT, is_met=ratio <= LIMIT)})\n"
    )
