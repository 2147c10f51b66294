"""Bad input ends in an error that names the field and says what to do."""

import io
import zlib
from contextlib import suppress

import pypdfium2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from model.inference.files.documents import open_pages
from model.inference.settings import InferenceSettings
from tests.ocr.inference.conftest import EXAMPLES, request_for
from truss_outbox.contract.errors import InvalidInputError


def refusal(read, document, **fields) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        read(document, **fields)
    return caught.value


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size, and ends where its pixels would begin."""
    chunk = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\0\0\0\0"
    checksum = zlib.crc32(chunk).to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + chunk + checksum + b"\0\0\0\x09IDAT"


def pdf_of(size: tuple[float, float], pages: int = 1) -> bytes:
    with pypdfium2.PdfDocument.new() as pdf:
        for _ in range(pages):
            pdf.new_page(*size)
        file = io.BytesIO()
        pdf.save(file)
    return file.getvalue()


def locked_pdf() -> bytes:
    from fpdf import FPDF

    pdf = FPDF()
    pdf.set_encryption(owner_password="owner", user_password="open sesame")
    pdf.add_page(format=(110, 110))
    pdf.set_font("helvetica", size=24)
    pdf.cell(text="For members only")
    return bytes(pdf.output())


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b"", "is empty"),
        (b"Dear Sir or Madam", "neither PDF"),
        (b"\x89PNG\r\n\x1a\n", "damaged image"),
        (b"%PDF-1.7\nnothing\n%%EOF\n", "damaged PDF"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "damaged image"),
        (b"II*\0\xff\xff\xff\xff", "damaged image"),
    ],
)
def test_what_is_not_a_document_is_refused(read, document, problem):
    error = refusal(read, document)
    assert error.field == "document"
    assert problem in error.problem


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.*")))
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_a_document_that_was_cut_off_is_refused(read, name, part):
    content = (EXAMPLES / name).read_bytes()
    error = refusal(read, content[: int(len(content) * part)])
    assert error.field == "document"
    assert "whole" in error.problem


def test_a_pdf_without_pages_is_refused(read):
    assert refusal(read, pdf_of((100, 100), pages=0)).field == "document"


def test_an_encrypted_pdf_is_read_with_its_password(read):
    assert read(locked_pdf(), password="open sesame").lines() == ["For members only"]


def test_an_encrypted_pdf_is_refused_without_its_password(read):
    error = refusal(read, locked_pdf())
    assert (error.field, "missing" in error.problem) == ("password", True)


def test_a_wrong_password_is_refused_and_not_repeated(read):
    error = refusal(read, locked_pdf(), password="let me in")
    assert error.field == "password"
    assert "let me in" not in str(error)


def test_a_password_that_is_not_needed_does_no_harm(read, card, card_lines):
    document = io.BytesIO()
    card.save(document, "PDF", resolution=150)
    assert read(document.getvalue(), password="open sesame").lines() == card_lines


@pytest.mark.parametrize("pages", ["4", "1-4", "1,999999999"])
def test_pages_outside_the_document_are_refused_with_their_number(read, pages):
    error = refusal(read, EXAMPLES / "minutes.pdf", pages=pages)
    assert error.field == "pages"
    assert "3 page(s)" in error.problem


def test_more_pages_than_allowed_are_refused_unless_fewer_are_chosen(inference, reader):
    inference_of_two = type(inference)(inference._engine, InferenceSettings(max_pages=2))
    read = reader(inference_of_two)
    assert refusal(read, pdf_of((50, 50), pages=3)).field == "pages"
    assert len(read(pdf_of((50, 50), pages=3), pages="1,3").pages()) == 2


def test_a_page_of_200_inches_is_refused_before_it_is_rendered(read):
    error = refusal(read, pdf_of((14_400, 14_400)))
    assert error.field == "document"
    assert "page 1 has 30000 x 30000 pixels" in error.problem
    assert "lower dpi" in error.problem


def test_the_page_that_is_too_large_is_the_one_that_is_named(read):
    with pypdfium2.PdfDocument.new() as pdf:
        pdf.new_page(50, 50)
        pdf.new_page(14_400, 14_400)
        file = io.BytesIO()
        pdf.save(file)
    assert "page 2" in refusal(read, file.getvalue()).problem
    assert len(read(file.getvalue(), pages="1").pages()) == 1


def test_no_page_is_read_where_a_later_one_is_too_large(inference, reader):
    class Unread:
        def read(self, pixels, quality):
            raise AssertionError("a page was read")

    read = reader(type(inference)(Unread(), InferenceSettings()))
    with pypdfium2.PdfDocument.new() as pdf:
        pdf.new_page(50, 50)
        pdf.new_page(14_400, 14_400)
        file = io.BytesIO()
        pdf.save(file)
    assert "page 2" in refusal(read, file.getvalue()).problem


@pytest.mark.parametrize("size", [(30_000, 30_000), (30_000, 10), (2_000_000_000, 1)])
def test_a_huge_image_is_refused_by_its_header(read, size):
    error = refusal(read, png_header(*size))
    assert error.field == "document"
    assert f"{size[0]} x {size[1]} pixels" in error.problem


def test_an_image_of_no_pixels_is_refused(read):
    assert refusal(read, png_header(0, 0)).field == "document"


def test_the_second_frame_is_checked_like_the_first(read):
    small, huge = Image.new("1", (20, 20), 1), Image.new("1", (30_000, 20), 1)
    file = io.BytesIO()
    small.save(file, "TIFF", save_all=True, append_images=[huge], compression="group4")
    assert "page 2 has 30000 x 20 pixels" in refusal(read, file.getvalue()).problem


documents = st.sampled_from(sorted(EXAMPLES.glob("*.*"))).map(lambda path: path.read_bytes())
changes = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=60)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents, changes, st.booleans())
def test_damaged_bytes_give_pages_or_an_error_of_ours(tmp_path, content, damage, near_the_head):
    damaged = bytearray(content)
    for place, value in damage:
        damaged[int(place * (300 if near_the_head else len(damaged)))] = value
    path = tmp_path / "damaged"
    path.write_bytes(damaged)
    request = request_for(path, dpi=50)
    with suppress(InvalidInputError), open_pages(request, InferenceSettings()) as pages:
        assert next(pages).image.pixels.ndim == 3


def test_an_inference_reads_on_after_bad_input(read):
    refusal(read, b"nothing")
    assert read(locked_pdf(), password="open sesame").lines() == ["For members only"]
