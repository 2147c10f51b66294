"""searchable.pdf of ten kinds of documents beside ocrmypdf's: no larger, and nothing is lost.

`OCRMYPDF` names the program, where it is not on the PATH.
"""

import io
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pikepdf
import pypdfium2
import pytest
from pikepdf import Name
from PIL import Image

from tests.ocr.inference.conftest import EXAMPLES, encoded, request_for
from tests.ocr.inference.drawing import SENTENCES, document, form, picture, text

OCRMYPDF = shutil.which(os.environ.get("OCRMYPDF", "ocrmypdf"))
ORIENTATION_TAG = 0x0112

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def drawn(number: int, dpi: int) -> Image.Image:
    with pypdfium2.PdfDocument(EXAMPLES / "minutes.pdf") as pdf:
        return pdf[number].render(scale=dpi / 72).to_pil()


def black_and_white(number: int) -> Image.Image:
    return drawn(number, 300).convert("1", dither=Image.Dither.NONE)


def scanned(change: Callable[[pikepdf.Pdf], None] | None = None) -> bytes:
    def furnish(pdf: pikepdf.Pdf) -> None:
        pdf.docinfo[Name.Title] = "Minutes"
        if change:
            change(pdf)

    page = drawn(0, 150)
    size = (page.width * 72 / 150, page.height * 72 / 150)
    return document(picture(*size), size=size, image=page, change=furnish)


def turned(pdf: pikepdf.Pdf) -> None:
    pdf.pages[0].obj.Rotate = 180


def cropped(pdf: pikepdf.Pdf) -> None:
    pdf.pages[0].obj.CropBox = [40, 40, 560, 800]


def mixed() -> bytes:
    letter = drawn(2, 150).crop((100, 100, 1200, 800))
    size = (letter.width * 72 / 150, letter.height * 72 / 150 + 100)
    shown = f"{picture(size[0], size[1] - 100)} {text(*SENTENCES, y=size[1] - 30)}"
    return document(shown, size=size, image=letter)


def photo() -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    with Image.open(EXAMPLES / "photo.png") as picture:
        return encoded(picture.convert("RGB").rotate(90, expand=True), "JPEG", exif=exif)


def frames() -> bytes:
    first, *others = (black_and_white(number) for number in range(3))
    return encoded(
        first, "TIFF", compression="group4", save_all=True, append_images=others, dpi=(300, 300)
    )


KINDS = {
    "scan of one bit.pdf": lambda: encoded(black_and_white(0), "PDF", resolution=300),
    "scan.pdf": (EXAMPLES / "scanned-letter.pdf").read_bytes,
    "text.pdf": (EXAMPLES / "rechnung.pdf").read_bytes,
    "mixed.pdf": mixed,
    "form.pdf": lambda: form(*SENTENCES),
    "turned.pdf": lambda: scanned(turned),
    "cropped.pdf": lambda: scanned(cropped),
    "palette.png": lambda: encoded(drawn(0, 150).quantize(16), "PNG", dpi=(150, 150)),
    "photo.jpeg": photo,
    "frames.tiff": frames,
}


def searchable(path: Path, directory: Path, inference) -> Path:
    outputs = inference.run(request_for(path, artifacts=["searchable.pdf"]), directory)
    return outputs.files["searchable.pdf"]


def peers(path: Path, made: Path) -> Path:
    command = [OCRMYPDF, "--quiet", "--output-type", "pdf", "--image-dpi", "150", "--skip-text"]
    subprocess.run([*command, path, made], check=True, timeout=300)
    return made


def without_invisible(pdf: pikepdf.Pdf) -> list[str]:
    """The text that each page has beside what was added."""
    with io.BytesIO() as file:
        for page in pdf.pages:
            contents = page.obj.get(Name.Contents)
            if isinstance(contents, pikepdf.Array):
                page.obj.Contents = pikepdf.Array(list(contents)[1:])
        pdf.save(file)
        with pypdfium2.PdfDocument(file.getvalue()) as again:
            return [page.get_textpage().get_text_range() for page in again]


@pytest.mark.skipif(OCRMYPDF is None, reason="needs ocrmypdf")
@pytest.mark.parametrize("name", KINDS)
def test_searchable_pdf_is_about_as_large_as_that_of_ocrmypdf(remembering, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(KINDS[name]())
    ours = searchable(path, tmp_path, remembering)
    theirs = peers(path, tmp_path / "peer.pdf")
    sizes = [each.stat().st_size for each in (path, ours, theirs)]
    print(name, *sizes, round(sizes[1] / sizes[2], 2))  # noqa: T201
    assert sizes[1] <= 1.3 * sizes[2]


@pytest.mark.parametrize("name", KINDS)
def test_searchable_pdf_is_valid_and_keeps_what_was_there(remembering, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(KINDS[name]())
    ours = searchable(path, tmp_path, remembering)
    with pikepdf.open(ours) as pdf, pypdfium2.PdfDocument(ours) as seen:
        assert pdf.check_pdf_syntax() == []
        assert all(len(page.get_textpage().get_text_range()) > 50 for page in seen)
        if path.suffix != ".pdf":
            return
        with pikepdf.open(path) as before, pypdfium2.PdfDocument(path) as was_seen:
            assert dict(pdf.docinfo) == dict(before.docinfo)
            own = [page.get_textpage().get_text_range() for page in was_seen]
            assert [page.get_size() for page in seen] == [page.get_size() for page in was_seen]
        assert without_invisible(pdf) == own or own == [
            page.get_textpage().get_text_range() for page in seen
        ]
    if tool := shutil.which("qpdf"):
        subprocess.run([tool, "--check", ours], check=True, capture_output=True, timeout=60)
    if tool := shutil.which("pdftotext"):
        command = [tool, ours, "-"]
        found = subprocess.run(command, check=True, capture_output=True, timeout=60)
        assert len(found.stdout.split()) > 8
