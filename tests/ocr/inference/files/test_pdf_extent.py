"""A PDF is read with whatever is around it, and refused where a part of it is missing."""

import io

import numpy as np
import pikepdf
import pytest

from model.inference.files.pdf_extent import find_extent
from tests.ocr.inference.conftest import EXAMPLES

WEB_PAGE = b"<html><body>" + b"<!-- 1 0 R %%EOF -->\n" * 300 + b"</body></html>\n"


def saved(**options) -> bytes:
    file = io.BytesIO()
    with pikepdf.open(EXAMPLES / "minutes.pdf") as pdf:
        del pdf.pages[1:]
        pdf.save(file, **options)
    return file.getvalue()


PLAIN = saved(object_stream_mode=pikepdf.ObjectStreamMode.disable)
PACKED = saved(object_stream_mode=pikepdf.ObjectStreamMode.generate)
LINEARIZED = saved(linearize=True)
KINDS = {"plain": PLAIN, "packed": PACKED, "linearized": LINEARIZED}


def updated(content: bytes) -> bytes:
    """With a change after it, as a signature or a note is."""
    start = content.rindex(b"startxref") + len(b"startxref")
    before = int(content[start:].split()[0])
    place = len(content)
    added = b"400 0 obj\n<</Note(new)>>\nendobj\n"
    table = b"xref\n400 1\n%010d 00000 n \ntrailer <</Size 401/Root %s/Prev %d>>\n"
    root = content[content.rindex(b"/Root") + 5 :].split(b"R")[0].strip() + b" R"
    return (
        content
        + added
        + table % (place, root, before)
        + b"startxref\n%d\n%%%%EOF\n" % (place + len(added))
    )


AROUND = {
    "3 KB of zeros after it": lambda pdf: pdf + bytes(3000),
    "3 MB of zeros after it": lambda pdf: pdf + bytes(3_000_000),
    "a web page after it": lambda pdf: pdf + WEB_PAGE,
    "a web page before it": lambda pdf: WEB_PAGE + pdf,
    "bytes before it": lambda pdf: bytes(range(256)) * 20 + pdf,
    "a web page on either side": lambda pdf: WEB_PAGE + pdf + WEB_PAGE,
    "no last word": lambda pdf: pdf[: pdf.rindex(b"%%EOF")],
    "no last word, and a web page": lambda pdf: pdf[: pdf.rindex(b"%%EOF")] + WEB_PAGE,
    "an end that is elsewhere": lambda pdf: pdf[: pdf.rindex(b"startxref")] + b"startxref\n9\n",
    "a change": updated,
}


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_pdf_is_read_whatever_is_around_it(opened, kind, around):
    (expected,) = opened(KINDS[kind], dpi=36)
    (page,) = opened(AROUND[around](KINDS[kind]), dpi=36)
    assert np.array_equal(page.pixels, expected.pixels)
    assert page.pixels.min() < 100


@pytest.mark.parametrize("kind", KINDS)
def test_a_pdf_that_was_cut_off_is_no_whole_one_wherever_that_was(tmp_path, kind):
    content, path = KINDS[kind], tmp_path / "cut"
    places = [*range(20, len(content), 211), content.index(b"%%EOF") + 6, len(content) - 30]
    for place in places:
        path.write_bytes(content[:place])
        if place < len(content) - 20:
            assert find_extent(path) is None, place


def test_a_change_that_was_cut_off_is_no_whole_one(tmp_path):
    content, path = updated(PLAIN), tmp_path / "cut"
    for place in range(len(PLAIN) + 12, content.rindex(b"trailer"), 5):
        path.write_bytes(content[:place])
        assert find_extent(path) is None, place


def test_a_pdf_that_was_cut_off_is_refused_with_the_remedy(refused):
    error = refused(PLAIN[: len(PLAIN) // 2])
    assert (error.field, "send the whole file" in error.problem) == ("document", True)
    assert "send the whole file" in refused(updated(PLAIN)[: len(PLAIN) + 20]).problem


def test_a_pdf_that_never_said_where_its_objects_are_is_read(opened):
    end = PLAIN.rindex(b"startxref")
    assert len(opened(PLAIN[:end] + b"startxref\n0\n%%EOF\n", dpi=36)) == 1


def test_a_pdf_that_lacks_what_is_behind_its_trailer_is_read(opened):
    assert len(opened(PLAIN[: PLAIN.rindex(b"startxref")], dpi=36)) == 1
