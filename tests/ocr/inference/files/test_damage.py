"""Damaged images are read as far as they go, with a warning; intact ones without."""

import io
import struct

import numpy as np
import pypdfium2
import pytest
from PIL import Image, TiffImagePlugin

from tests.ocr.inference.conftest import EXAMPLES, encoded

WARNING = ["the image is damaged or cut off; what could not be decoded is left blank"]


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """Grey noise, of which no row is like another."""
    pixels = np.random.default_rng(1).integers(0, 200, (60, 120, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((240, 240), Image.Resampling.NEAREST)


def tiff(picture: Image.Image, **options) -> bytes:
    """With its tags before its pixels, as scanners write it."""
    with Image.open(io.BytesIO(encoded(picture, "TIFF", **options))) as image:
        tags = {tag: image.tag_v2.get(tag, 1) for tag in (256, 257, 258, 259, 262, 277, 278)}
        tags[258] = tags[258] if isinstance(tags[258], int) else tags[258][0]
        places, sizes = image.tag_v2[273], image.tag_v2[279]
        image.fp.seek(0)
        content = image.fp.read()
    strips = [content[place : place + size] for place, size in zip(places, sizes, strict=True)]
    lists = 10 + 12 * 9 + 4
    start = lists + 8 * len(strips)
    starts = [start + sum(sizes[:number]) for number in range(len(strips))]
    entries = [(tag, 1, value) for tag, value in tags.items()]
    entries += [(273, len(strips), starts[0] if len(strips) == 1 else lists)]
    entries += [(279, len(strips), sizes[0] if len(strips) == 1 else lists + 4 * len(strips))]
    packed = b"".join(struct.pack("<HHII", tag, 4, n, value) for tag, n, value in sorted(entries))
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + bytes(4)
    return head + struct.pack(f"<{2 * len(strips)}I", *starts, *sizes) + b"".join(strips)


def strips_of(picture: Image.Image, monkeypatch, bytes_each: int, **options) -> bytes:
    monkeypatch.setattr(TiffImagePlugin, "STRIP_SIZE", bytes_each)
    return tiff(picture, **options)


def rows_alike(pixels: np.ndarray, picture: Image.Image) -> int:
    """How many rows at the top are the picture's, about."""
    difference = np.abs(pixels.astype(int) - np.asarray(picture.convert("RGB"))[:, :, ::-1])
    unlike = np.flatnonzero(difference.mean(axis=(1, 2)) > 30)
    return int(unlike[0]) if len(unlike) else len(pixels)


CUT = {
    "JPEG": ("JPEG", {"quality": 90}),
    "PNG": ("PNG", {}),
    "BMP upside down": ("BMP", {}),
    "GIF": ("GIF", {"interlace": 0}),
    "PPM": ("PPM", {}),
    "TIFF as it is": ("TIFF", {"compression": "raw"}),
}


@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("part", [0.5, 0.98])
def test_an_image_that_was_cut_off_is_read_up_to_there(opened, picture, name, part):
    kind, options = CUT[name]
    picture = picture.convert("L").convert("RGB") if kind == "GIF" else picture
    content = encoded(picture, kind, **options)
    (page,) = opened(content[: int(len(content) * part)])
    assert page.warnings == WARNING
    shown = picture
    if kind == "BMP":  # which begins with its last row
        page.pixels[:] = page.pixels[::-1]
        shown = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    assert rows_alike(page.pixels, shown) >= 240 * part - 30


def test_a_progressive_jpeg_that_was_cut_off_is_read_less_sharply(opened, picture):
    content = encoded(picture, "JPEG", quality=90, progressive=True)
    (page,) = opened(content[: len(content) * 3 // 4])
    assert page.warnings == WARNING
    assert page.pixels.std() > 20


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_an_image_without_its_last_bytes_is_read_with_a_warning(opened, picture, kind):
    content = encoded(picture, kind)
    for count in (1, 2, 3, 9):
        (page,) = opened(content[:-count])
        assert page.warnings == WARNING, count
        assert rows_alike(page.pixels, picture) >= 220


@pytest.mark.parametrize(("kind", "missing"), [("PNG", slice(-60, None)), ("BMP", slice(60))])
def test_what_was_not_decoded_is_white(opened, picture, kind, missing):
    content = encoded(picture, kind)
    (page,) = opened(content[: len(content) // 2])
    assert (page.pixels[missing] == 255).all()


def test_a_png_with_one_bad_byte_is_read_wherever_that_is(opened, picture):
    content = encoded(picture, "PNG")
    chunk = content.index(b"IDAT")
    places = {
        "the header's checksum": 30,
        "the picture's length": chunk - 2,
        "the picture's name": chunk + 2,
        "the picture": len(content) // 2,
        "the picture's checksum": len(content) - 14,
        "the end's name": len(content) - 6,
    }
    for name, place in places.items():
        damaged = bytearray(content)
        damaged[place] ^= 0x41
        (page,) = opened(bytes(damaged))
        assert page.warnings == WARNING, name
        assert rows_alike(page.pixels, picture) >= 90, name


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_a_tiff_is_read_up_to_the_strip_that_is_damaged(opened, picture, monkeypatch, compression):
    content = strips_of(picture, monkeypatch, 240 * 3 * 20, compression=compression)
    assert opened(content)[0].warnings == []
    (page,) = opened(content[: len(content) // 2])
    assert page.warnings == WARNING
    assert rows_alike(page.pixels, picture) >= 80


@pytest.mark.parametrize("compression", ["group3", "group4"])
def test_a_fax_in_one_piece_is_read_up_to_where_it_was_cut_off(
    opened, picture, monkeypatch, compression
):
    bilevel = picture.convert("1", dither=Image.Dither.NONE)
    content = strips_of(bilevel, monkeypatch, 1 << 20, compression=compression)
    (page,) = opened(content[: len(content) * 2 // 3])
    assert page.warnings == WARNING
    assert rows_alike(page.pixels, bilevel) >= 120


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "JPEG2000", "AVIF", "TIFF"])
def test_an_image_of_which_nothing_can_be_decoded_is_refused(refused, picture, kind):
    content = encoded(picture, kind)
    size = 300 if kind in {"JPEG", "PNG", "GIF"} else len(content) // 2
    error = refused(content[:size] if kind != "TIFF" else content[:8] + bytes(len(content)))
    assert (error.field, "send it whole" in error.problem) == ("document", True)


def test_a_tiff_that_lost_its_later_pages_is_refused(refused, picture):
    content = encoded(picture, "TIFF", save_all=True, append_images=[picture] * 3)
    assert "send it whole" in refused(content[: len(content) // 2]).problem


INTACT = {
    **{name: (kind, options) for name, (kind, options) in CUT.items()},
    "progressive": ("JPEG", {"progressive": True}),
    "with a preview": ("JPEG", {"exif": b"Exif\0\0" + b"\xff\xd8\xff\xd9" * 9}),
    "MPO": ("MPO", {"save_all": True}),
    "interlaced": ("PNG", {"interlace": True}),
}


@pytest.mark.parametrize("name", INTACT)
@pytest.mark.parametrize("after", [b"", b"\0" * 100])
def test_an_intact_image_has_no_warning_whatever_is_after_it(opened, picture, name, after):
    kind, options = INTACT[name]
    (page,) = opened(encoded(picture, kind, **options) + after)
    assert page.warnings == []


def test_a_jpeg_with_bytes_that_only_fill_has_no_warning(opened, picture):
    content = encoded(picture, "JPEG").replace(b"\xff\xc0", b"\xff\xff\xff\xc0", 1)
    assert opened(content)[0].warnings == []


def test_the_examples_have_no_warning(opened):
    for path in sorted(EXAMPLES.glob("*.[ptw][ien]*")):
        if path.suffix != ".pdf":
            assert opened(path.read_bytes())[0].warnings == [], path.name


def test_the_result_names_the_damage_and_searchable_pdf_has_what_was_read(read, card, card_lines):
    content = bytearray(encoded(card, "PNG"))
    content[30] ^= 1  # of the header's checksum
    result = read(bytes(content), artifacts=["document.json", "text.txt", "searchable.pdf"])
    assert result.lines() == card_lines
    assert result.outputs.result["warnings"] == [f"page 1: {WARNING[0]}"]
    assert result.pages()[0]["warnings"] == WARNING
    with pypdfium2.PdfDocument(result.outputs.files["searchable.pdf"]) as pdf:
        assert "".join(card_lines[0].split()) in "".join(
            pdf[0].get_textpage().get_text_range().split()
        )
        assert pdf[0].render(scale=1).to_numpy().min() < 128
