"""What is read, by its content, and what is refused with the remedy for its kind."""

import io
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image, ImageDraw, PngImagePlugin

from tests.ocr.inference.conftest import EXAMPLES, encoded

PDF = (EXAMPLES / "minutes.pdf").read_bytes()


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    picture = Image.new("RGB", (120, 60), "white")
    ImageDraw.Draw(picture).rectangle((20, 10, 70, 40), fill=(16, 32, 160))
    return picture


FORMATS = {
    "GIF": {},
    "BMP": {},
    "JPEG2000": {},
    "JPEG2000 without a file around it": {"no_jp2": True},
    "AVIF": {"quality": 95},
    "PPM": {},
    "WEBP": {"quality": 95},
    "JPEG": {"quality": 95},
    "PNG": {},
    "TIFF": {},
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_picture_of_any_format_that_is_read_becomes_the_same_page(opened, picture, name):
    (page,) = opened(encoded(picture, name.split()[0], **FORMATS[name]))
    difference = page.pixels.astype(int) - np.asarray(picture)[:, :, ::-1]
    assert np.abs(difference).mean() < 3
    assert page.warnings == []


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_is_its_first_picture_and_says_so(opened, picture, kind):
    other = picture.transpose(Image.Transpose.ROTATE_180)
    document = encoded(picture, kind, save_all=True, append_images=[other, other])
    (page,) = opened(document)
    assert page.pixels[25, 45].max() < 200
    assert page.pixels[25, 45, 0] > page.pixels[25, 45, 2] + 50
    assert page.warnings == ["the image is an animation; its first picture is what is read"]


def archive(*names: str, content: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        for name in names:
            package.writestr(name, content)
    return file.getvalue()


def compound(name: str) -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600) + name.encode("utf-16-le") + bytes(99)


def tape() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as package:
        member = tarfile.TarInfo("minutes.pdf")
        member.size = len(PDF)
        package.addfile(member, io.BytesIO(PDF))
    return file.getvalue()


def brand(name: bytes) -> bytes:
    return b"\0\0\0\x18ftyp" + name + bytes(4) + b"miaf" + bytes(100)


OFFICE = "[Content_Types].xml"
REFUSED = {
    "DOCX": (archive(OFFICE, "word/document.xml"), "is a Word document"),
    "XLSX": (archive(OFFICE, "xl/workbook.xml"), "is an Excel workbook"),
    "PPTX": (archive(OFFICE, "ppt/presentation.xml"), "is a PowerPoint presentation"),
    "ODT": (archive("mimetype", "content.xml"), "is an OpenDocument file"),
    "EPUB": (archive("mimetype", "META-INF/container.xml"), "is an e-book"),
    "DOC": (compound("WordDocument"), "is a Word document"),
    "XLS": (compound("Workbook"), "is an Excel workbook"),
    "PPT": (compound("PowerPoint Document"), "is a PowerPoint presentation"),
    "MSG": (compound("__substg1.0_001A001F"), "is an e-mail"),
    "a Word document with a password": (compound("EncryptedPackage"), "with a password"),
    "an old Office document": (compound("?"), "print it"),
    "RTF": (b"{\\rtf1\\ansi Hello}", "is a rich text document"),
    "a web page": (b"<!DOCTYPE html><html><p>%PDF-1.7 is a PDF's first word", "is a web page"),
    "SVG": (b"<?xml version='1.0'?><svg width='9'/>", "is an SVG drawing"),
    "XML": (b"<?xml version='1.0'?><invoice/>", "is XML"),
    "an e-mail": (b"From: a@example.org\r\nSubject: minutes\r\n\r\n<html>", "is an e-mail"),
    "text": ("Sehr geehrte Damen und Herren, größer".encode(), "plain text"),
    "text of 16 bits": ("Dear Sir or Madam".encode("utf-16"), "plain text"),
    "PostScript": (b"%!PS-Adobe-3.0\n", "is PostScript"),
    "ZIP": (archive("minutes.pdf", content=PDF), "is a ZIP archive"),
    "half a ZIP": (archive("minutes.pdf", content=PDF)[:5000], "is a ZIP archive"),
    "tar": (tape(), "is a tar archive"),
    "gzip": (b"\x1f\x8b\x08" + bytes(20), "is a gzip archive"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + bytes(20), "is a 7z archive"),
    "RAR": (b"Rar!\x1a\x07\x01\0", "is a RAR archive"),
    "HEIC": (brand(b"heic"), "send it as JPEG"),
    "a film": (brand(b"isom"), "is a video"),
    "Photoshop": (b"8BPS" + bytes(20), "as JPEG or PNG"),
    "form data": (b"%FDF-1.2\n", "without the form"),
    "anything else": (b"\x07\x08\x01" + bytes(50), "neither PDF, PNG, JPEG"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_refused_with_the_remedy_for_its_kind(refused, name):
    document, problem = REFUSED[name]
    error = refused(document)
    assert error.field == "document"
    assert problem in error.problem
    assert "; " in error.problem


def test_a_picture_that_mentions_a_pdf_is_a_picture(opened, picture):
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Source", "%PDF-1.7\n1 0 obj")
    (page,) = opened(encoded(picture, "PNG", pnginfo=notes))
    assert page.pixels.shape[:2] == (60, 120)


def test_text_that_begins_as_a_bitmap_does_is_text(refused):
    assert "plain text" in refused(b"BMW 3 series, blue; P5 is a parking place").problem
