"""What PDFium leaves to whoever uses it."""

import io
from contextlib import suppress

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name

from truss_outbox.contract.errors import InvalidInputError

MODES = pikepdf.ObjectStreamMode


def saved(pdf: pikepdf.Pdf, **options) -> bytes:
    file = io.BytesIO()
    pdf.save(file, **options)
    return file.getvalue()


def pdf_of(*texts: str, **page_entries) -> pikepdf.Pdf:
    """A page of 200 by 100 units for each text, which is in Helvetica."""
    pdf = pikepdf.new()
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
    for text in texts:
        content = f"BT /F 14 Tf 10 50 Td ({text}) Tj ET".encode()
        page = Dictionary(
            Type=Name.Page,
            MediaBox=Array([0, 0, 200, 100]),
            Resources=Dictionary(Font=Dictionary(F=font)),
            Contents=pdf.make_stream(content),
            **page_entries,
        )
        pdf.pages.append(pikepdf.Page(pdf.make_indirect(page)))
    return pdf


@pytest.mark.parametrize("mode", [MODES.disable, MODES.generate])
def test_a_unit_of_its_own_makes_a_page_larger(opened, mode):
    pdf = pdf_of("Hello", "Hello")
    pdf.pages[1].obj.UserUnit = 2.5
    small, large = opened(saved(pdf, object_stream_mode=mode), dpi=72)
    assert (small.pixels.shape[:2], small.size) == ((100, 200), (200, 100))
    assert (large.pixels.shape[:2], large.size) == ((250, 500), (500, 250))
    assert (large.dpi, large.dpi_source) == (72, "rendered")


def test_a_page_that_is_too_large_by_its_unit_is_refused(refused):
    error = refused(saved(pdf_of("Hello", UserUnit=1000)))
    assert "page 1 has 416667 x 208334 pixels" in error.problem
    assert "lower dpi" in error.problem


@pytest.mark.parametrize("unit", [0, -1, "1", Name.Large])
def test_a_unit_that_is_none_is_the_usual_one(opened, unit):
    value = pikepdf.String(unit) if isinstance(unit, str) and unit == "1" else unit
    (page,) = opened(saved(pdf_of("Hello", UserUnit=value)), dpi=72)
    assert page.size == (200, 100)


def locked(**options) -> bytes:
    encryption = pikepdf.Encryption(owner="owner", user="open sesame", R=6, **options)
    return saved(pdf_of("Hello", UserUnit=2), encryption=encryption)


def test_a_pdf_that_is_encrypted_with_256_bits_is_read_with_its_password(opened, refused):
    (page,) = opened(locked(), password="open sesame", dpi=72)
    assert page.size == (400, 200)
    assert page.pixels.min() < 100
    assert refused(locked(), password="sesame").field == "password"


def test_a_pdf_without_pages_says_so_after_one_that_is_encrypted(refused):
    assert refused(locked()).field == "password"
    error = refused(saved(pikepdf.new()))
    assert (error.field, "without a readable page" in error.problem) == ("document", True)


def form(*texts: str, is_drawn_by_acrobat: bool = False) -> bytes:
    pdf = pdf_of(*texts)
    template = pdf.make_stream(b'<xdp:xdp xmlns:xdp="http://ns.adobe.com/xdp/"/>')
    pdf.Root.AcroForm = Dictionary(Fields=Array([]), XFA=template)
    if is_drawn_by_acrobat:
        pdf.Root.NeedsRendering = True
    return saved(pdf)


@pytest.mark.parametrize(
    "document",
    [
        form("Please wait..."),
        form("Bitte warten..."),
        form("To view the full contents you need a later version of the PDF viewer."),
        form("The document you are trying to load requires Adobe Reader 8 or higher."),
        form("", is_drawn_by_acrobat=True),
    ],
)
def test_a_form_that_only_acrobat_shows_is_refused(refused, document):
    error = refused(document)
    assert (error.field, "print it to a new PDF" in error.problem) == ("document", True)


def test_a_form_whose_pages_are_there_is_read(opened):
    assert len(opened(form("Name: Marigold Tate"))) == 1
    assert len(opened(form("Please wait here for your number", "Second page"))) == 2


@pytest.mark.parametrize("mebibytes", [64, 100, 130, 160, 200, 250, 300])
def test_a_page_that_takes_more_memory_than_there_is_is_refused(opened, mebibytes):
    document = saved(pdf_of("Hello", UserUnit=10))
    with suppress(InvalidInputError):
        (page,) = opened(document, {"max_decoding_bytes": mebibytes << 20}, dpi=250)
        assert page.pixels.min() < 100
