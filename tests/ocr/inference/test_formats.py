"""Every kind of document, and of picture inside, is read the same."""

import io

import numpy as np
import pypdfium2
import pytest
from PIL import Image, ImageOps

from tests.ocr.inference.conftest import encoded
from tests.ocr.inference.drawing import form

ORIENTATION_TAG = 0x0112


def sixteen_bits(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


def on_transparent(image: Image.Image) -> Image.Image:
    """Black letters that are opaque, on nothing."""
    opacity = ImageOps.invert(image.convert("L"))
    transparent = Image.new("RGBA", image.size, (0, 0, 0, 0))
    transparent.putalpha(opacity)
    return transparent


def transparent_palette(image: Image.Image) -> Image.Image:
    palette = on_transparent(image).quantize(16)
    assert palette.has_transparency_data
    return palette


PICTURES = {
    "grey": ("PNG", lambda image: image.convert("L"), {}),
    "grey and alpha": ("PNG", lambda image: on_transparent(image).convert("LA"), {}),
    "alpha": ("PNG", on_transparent, {}),
    "palette": ("PNG", lambda image: image.quantize(16), {}),
    "palette with a transparent colour": ("PNG", transparent_palette, {}),
    "16 bits": ("PNG", sixteen_bits, {}),
    "1 bit": ("PNG", lambda image: image.convert("1", dither=Image.Dither.NONE), {}),
    "JPEG": ("JPEG", lambda image: image, {"quality": 90}),
    "CMYK JPEG": ("JPEG", lambda image: image.convert("CMYK"), {"quality": 90}),
    "WebP with alpha": ("WEBP", on_transparent, {"lossless": True}),
    "TIFF": ("TIFF", lambda image: image, {"compression": "tiff_lzw"}),
    "big TIFF": ("TIFF", lambda image: image, {"big_tiff": True}),
    "16-bit TIFF": ("TIFF", sixteen_bits, {}),
    "floating-point TIFF": ("TIFF", lambda image: image.convert("F"), {}),
    "TIFF of 32-bit integers": ("TIFF", lambda image: image.convert("I"), {}),
    "PDF": ("PDF", lambda image: image, {"resolution": 150}),
}
LIKE_OTHERS = {
    *("JPEG", "palette", "palette with a transparent colour", "WebP with alpha", "big TIFF"),
    *("16-bit TIFF", "TIFF of 32-bit integers"),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in LIKE_OTHERS else ())
        for name in PICTURES
    ],
)
def test_a_picture_is_read_however_its_colours_are_stored(read, card, card_lines, name):
    kind, convert, options = PICTURES[name]
    assert read(encoded(convert(card), kind, **options)).lines() == card_lines


def test_every_frame_of_a_tiff_is_a_page(read, card, card_lines):
    document = encoded(
        card,
        "TIFF",
        save_all=True,
        append_images=[card.convert("1", dither=Image.Dither.NONE), card],
    )
    result = read(document, pages="2-3")
    assert [page["page"] for page in result.pages()] == [2, 3]
    assert [page.splitlines() for page in result.text().split("\f")] == [card_lines, card_lines]


def test_an_animation_is_its_first_picture(read, card, card_lines):
    document = encoded(
        card, "WEBP", lossless=True, save_all=True, append_images=[ImageOps.invert(card)]
    )
    assert read(document).lines() == card_lines


def test_a_photo_is_turned_as_its_camera_says(read, card, card_lines):
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6  # turn by 90 degrees clockwise to see it
    document = encoded(card.rotate(90, expand=True), "JPEG", quality=90, exif=exif)
    result = read(document)
    assert result.lines() == card_lines
    page = result.pages()[0]
    assert (page["width"], page["height"], page["rotation"]) == (*card.size, 0)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_turned_page_is_righted_and_says_so(read, card, card_lines, rotation):
    turned = card.rotate(rotation, expand=True)  # counterclockwise, so clockwise to right it
    result = read(encoded(turned, "PNG"))
    assert result.lines() == card_lines
    page = result.pages()[0]
    assert (page["rotation"], page["width"], page["height"]) == (rotation, *card.size)
    assert result.outputs.result["turned_pages"] == 1


def test_a_pdf_page_that_is_shown_turned_is_read_as_shown(read, card, card_lines):
    document = encoded(card.rotate(90, expand=True), "PDF", resolution=150)
    with pypdfium2.PdfDocument(document) as pdf:
        pdf[0].set_rotation(90)
        file = io.BytesIO()
        pdf.save(file)
    result = read(file.getvalue())
    assert result.lines() == card_lines
    assert result.pages()[0]["rotation"] == 0


def test_what_was_filled_into_a_form_is_read(read):
    assert read(form(), text="ocr").lines() == ["Marigold Tate"]


@pytest.mark.parametrize(
    "size",
    [
        *((1, 1), (2, 3000), (16, 16)),
        *(pytest.param(size, marks=pytest.mark.slow) for size in ((3000, 2), (40, 1500))),
    ],
)
def test_a_page_of_any_shape_is_read(read, size):
    result = read(encoded(Image.new("L", size, 255), "PNG"))
    assert result.text() == ""
    page = result.pages()[0]
    assert (page["width"], page["height"]) == size


def test_a_blank_page_has_no_lines_and_no_confidence(read):
    result = read(encoded(Image.new("RGB", (600, 800), "white"), "PNG"))
    assert result.outputs.result == {
        "pages": 1,
        "turned_pages": 0,
        "unreadable_pages": 0,
        "lines": 0,
        "characters": 0,
        "mean_confidence": None,
        "warnings": [],
    }


def test_an_image_has_the_size_that_it_says(read, card):
    page = read(encoded(card, "PNG", dpi=(300, 300))).pages()[0]
    assert (page["dpi"], page["dpi_source"]) == (pytest.approx(300, abs=0.1), "image")


def test_a_page_of_unlike_resolutions_is_read_in_its_proportions(read, card, card_lines):
    """As a fax is, which has half as many rows as columns."""
    squeezed = card.resize((card.width, card.height // 2))
    result = read(encoded(squeezed, "TIFF", dpi=(200, 100)))
    assert result.lines() == card_lines
    page = result.pages()[0]
    assert (page["width"], page["height"], page["dpi"]) == (*card.size, 200)


@pytest.mark.parametrize("stated", [None, (1, 1), (0, 0), (100_000, 100_000)])
def test_an_image_that_says_no_credible_size_gets_an_assumed_one(read, card, stated):
    options = {} if stated is None else {"dpi": stated}
    page = read(encoded(card, "TIFF", **options)).pages()[0]
    assert (page["dpi"], page["dpi_source"]) == (150, "assumed")
