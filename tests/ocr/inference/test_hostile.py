"""What a document asks for is bounded, and what it breaks is not the server."""

import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psutil
import pytest

from model.inference.settings import InferenceSettings
from tests.ocr import hostile
from tests.ocr.inference.mutations import damaged_documents
from tests.waiting import until
from truss_outbox import InvalidInputError


class Blind:
    """Reads nothing: these tests are about what comes before."""

    def read(self, pixels, quality):
        return []


@pytest.fixture
def opened(inference, reader):
    """Makes a `read` that opens and draws the pages alone, with settings."""

    def opened(**settings):
        return reader(type(inference)(Blind(), InferenceSettings(**settings)))

    return opened


def refusal(read, document, **fields) -> str:
    with pytest.raises(InvalidInputError) as caught:
        read(document, **fields)
    assert caught.value.field in {"document", "pages"}
    return str(caught.value)


HOSTILE = {
    "an image that is 48 times as large by its resolution": (
        hostile.stretched_tiff(),
        {},
        "page 1 has 96000 x 2000 pixels",
    ),
    "a PDF that takes memory": (
        hostile.nested_forms(),
        {},
        "made the process that reads it end",
    ),
    "a PDF that takes time": (
        hostile.pictures_in_groups(),
        {"max_page_seconds": 1},
        "longer than 1 s",
    ),
    "frames of one picture": (
        hostile.frames_of_one_picture(1000),
        {},
        "shows in frame 2 what another shows",
    ),
    "frames that are almost one picture": (
        hostile.frames_of_one_picture(1000, shift=1),
        {"max_document_seconds": 1},
        "longer than 1 s",
    ),
    **{
        f"a {kind} of a few bytes and 900 million pixels": (
            hostile.claims(kind, 30_000),
            {},
            "page 1 has 30000 x 30000 pixels" if kind != "AVIF" else "the header cannot be read",
        )
        for kind in ("GIF", "BMP", "PPM", "JPEG2000", "AVIF")
    },
    "frames that are very many": (
        hostile.many_frames(40_000),
        {},
        "more than the 2000 pages",
    ),
}


@pytest.mark.parametrize(("document", "settings", "problem"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_document_is_refused_within_its_limits(opened, card, document, settings, problem):
    read = opened(**settings)
    assert problem in refusal(read, document)
    started = time.monotonic()
    assert len(read(hostile.many_frames(3)).pages()) == 3
    assert time.monotonic() - started < 5


def test_of_very_many_frames_the_first_are_read_without_counting_the_others(opened):
    read = opened()
    pages = read(hostile.many_frames(40_000), pages="2-3").pages()
    assert [page["page"] for page in pages] == [2, 3]
    assert "choose from its 5 page(s)" in refusal(read, hostile.many_frames(5), pages="6")
    assert "choose from its 5" in refusal(read, hostile.many_frames(5), pages="1-999999999")


def test_of_an_endless_animation_the_first_picture_is_read(opened):
    read = opened(max_page_seconds=2)
    (warning,) = read(hostile.endless_animation(500_000)).outputs.result["warnings"]
    assert "animation" in warning


def test_thumbnails_without_end_are_looked_through_within_the_limits(opened):
    assert len(opened()(hostile.thumbnails(3000)).pages()) == 1
    assert "longer than 1 s" in refusal(opened(max_page_seconds=1), hostile.thumbnails(100_000))


def processor_seconds() -> dict[int, float]:
    """Of each process that opens documents."""
    return {child.pid: child.cpu_times().user for child in psutil.Process().children()}


@pytest.mark.slow
def test_a_process_that_is_killed_in_the_middle_of_a_page_is_one_refusal_and_others_go_on(opened):
    read = opened(max_page_seconds=60)
    before = processor_seconds()

    def busy():
        now = processor_seconds()
        # More than a process takes to import what it needs.
        return [pid for pid in now if now[pid] > before.get(pid, 0) + 1.5]

    with ThreadPoolExecutor(1) as pool:
        bad = pool.submit(refusal, read, hostile.pictures_in_groups())
        (pid,) = until(busy, "a page")
        assert len(read(hostile.many_frames(2)).pages()) == 2
        assert not bad.done()
        os.kill(pid, signal.SIGKILL)
        assert "SIGKILL" in bad.result()
    assert len(read(hostile.many_frames(2)).pages()) == 2


def assert_survived(read, documents) -> Counter[str]:
    outcomes: Counter[str] = Counter()
    for kind, document in documents:
        started = time.monotonic()
        outcome = "refused"
        with suppress(InvalidInputError):
            read(document, dpi=36)
            outcome = "read"
        outcomes[f"{kind} {outcome}"] += 1
        assert time.monotonic() - started < 15, kind
    return outcomes


def test_damaged_documents_are_read_or_refused(opened):
    outcomes = assert_survived(opened(max_page_seconds=5), damaged_documents(250, seed=1))
    assert len(outcomes) >= 16, outcomes


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_five_thousand_damaged_documents_are_read_or_refused(opened):
    read = opened(max_page_seconds=5, max_document_seconds=10)
    outcomes = assert_survived(read, damaged_documents(5000, seed=13))
    assert sum(outcomes.values()) == 5000
    assert len(outcomes) == 20, outcomes
