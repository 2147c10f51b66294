"""Which frames of a TIFF are pages."""

import pytest
from PIL import Image, TiffImagePlugin

from tests.ocr.inference.conftest import encoded

PAGE, THUMBNAIL, MASK = 0, 1, 4


def frame(side: int, kind: int, *, tag: int = 254) -> Image.Image:
    image = Image.new("L", (side, side), 200)
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[tag] = kind
    image.encoderinfo = {"tiffinfo": tags}
    return image


def tiff(*frames: Image.Image) -> bytes:
    first = frames[0]
    return encoded(first, "TIFF", save_all=True, append_images=frames[1:], **first.encoderinfo)


def sides(pages) -> list[int]:
    return [page.pixels.shape[0] for page in pages]


def test_thumbnails_and_masks_are_no_pages(opened, refused):
    document = tiff(
        frame(20, THUMBNAIL), frame(100, PAGE), frame(30, MASK), frame(25, THUMBNAIL), frame(90, 2)
    )
    assert sides(opened(document)) == [100, 90]
    assert sides(opened(document, pages="2")) == [90]
    assert "2 page(s)" in refused(document, pages="3").problem


def test_the_old_way_to_say_so_is_known(opened):
    assert sides(opened(tiff(frame(100, 1, tag=255), frame(20, 2, tag=255)))) == [100]


@pytest.mark.parametrize("count", [1, 2])
def test_what_is_there_is_read_where_all_of_it_is_said_to_be_reduced(opened, count):
    assert sides(opened(tiff(*[frame(100, THUMBNAIL)] * count))) == [100] * count


def test_a_raw_picture_of_a_camera_is_refused(refused):
    small = frame(20, THUMBNAIL)
    small.encoderinfo["tiffinfo"][330] = 8
    assert "export it as JPEG" in refused(tiff(small)).problem
