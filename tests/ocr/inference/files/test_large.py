"""Pictures of many pixels are taken as far as memory allows, and no further."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.ocr.inference.conftest import encoded

SMALL = {"max_page_pixels": 1_000_000}


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    """2 million pixels, upright: dark above, light below, a bright corner."""
    picture = Image.new("RGB", (1201, 1701), (40, 60, 80))
    picture.paste((200, 210, 220), (0, 900, 1201, 1701))
    picture.paste((255, 255, 255), (0, 0, 300, 300))
    return picture


FORMATS = {
    "JPEG": {"quality": 95, "dpi": (400, 400)},
    "PNG": {"dpi": (400, 400)},
    "TIFF": {"compression": "tiff_lzw", "dpi": (400, 400)},
    "WEBP": {},
    "JPEG2000": {},
    "BMP": {"dpi": (400, 400)},
}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_of_up_to_four_times_the_pixels_is_read_at_half_its_size(opened, picture, kind):
    (page,) = opened(encoded(picture, kind, **FORMATS[kind]), SMALL)
    assert page.pixels.shape[0] in {850, 851}
    assert page.pixels.shape[1] in {600, 601}
    assert page.warnings == []
    assert page.dpi == pytest.approx(200 if "dpi" in FORMATS[kind] else 150, abs=0.5)
    assert np.abs(page.pixels[100, 100].astype(int) - 255).max() < 6
    assert np.abs(page.pixels[800, 500].astype(int) - (220, 210, 200)).max() < 6


def test_a_picture_of_as_many_pixels_as_a_page_may_have_is_read_as_it_is(opened, picture):
    (page,) = opened(encoded(picture, "JPEG"), {"max_page_pixels": 1201 * 1701})
    assert page.pixels.shape == (1701, 1201, 3)


def test_a_picture_of_more_than_four_times_the_pixels_is_refused(refused, picture):
    error = refused(encoded(picture, "JPEG"), settings={"max_page_pixels": 500_000})
    assert "page 1 has 1201 x 1701 pixels" in error.problem


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_halved_photo_is_turned_as_its_camera_says(opened, picture, orientation):
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = picture if orientation == 1 else picture.transpose(turns[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    (page,) = opened(encoded(stored, "JPEG", exif=exif, quality=95), SMALL)
    assert page.pixels.shape[0] > page.pixels.shape[1]
    assert page.pixels[50, 50].min() > 245
    assert page.pixels[50, 550].max() < 100
    assert page.pixels[800, 50].min() > 180


@pytest.mark.slow
@pytest.mark.parametrize("size", [(8064, 6048), (8192, 6144), (12000, 9000), (16320, 12240)])
def test_a_phone_photo_is_taken_with_the_memory_that_there_is(opened, size):
    file = io.BytesIO()
    Image.effect_noise((1020, 756), 40).resize(size).convert("RGB").save(file, "JPEG")
    (page,) = opened(file.getvalue())
    step = 2 if size[0] > 9000 else 1
    assert page.pixels.shape[:2] == (size[1] // step, size[0] // step)
