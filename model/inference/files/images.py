"""Pages of an image file: the frames of a TIFF, or the one picture of a PNG, JPEG or WebP."""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
from PIL import Image, ImageOps

from truss_outbox.contract.errors import InvalidInputError

from ..reading.reading import POINTS_PER_INCH, PageImage, Pixels
from ..settings import PageLimits

_ASSUMED_DPI = 150.0
_MIN_DPI, _MAX_DPI = 50.0, 2400.0  # what an image says outside of these is a default, or wrong
_ALMOST_SQUARE = 1.1
_PLACES = (273, 324)  # TIFF's StripOffsets and TileOffsets

IMAGE_FORMATS: Mapping[str, Callable[[bytes], bool]] = MappingProxyType(
    {
        "PNG": lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"),
        "JPEG": lambda head: head.startswith(b"\xff\xd8\xff"),
        "TIFF": lambda head: head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"},
        "WEBP": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP",
    }
)


class ImagePages:
    """Implements `Pages`."""

    def __init__(self, image: Image.Image, *, limits: PageLimits) -> None:
        self._image = image
        self._limits = limits
        self._places: set[int] = set()

    def count(self, at_most: int) -> int:
        if self._image.format != "TIFF":
            return 1  # other formats' frames are animations, or (JPEG) previews
        # One after the other: to ask for their number walks through all that there may be.
        for number in range(2, at_most + 1):
            with _decoding(f"frame {number}"):
                try:
                    self._image.seek(number - 1)
                except EOFError:
                    return number - 1
        return at_most

    def check(self, number: int) -> None:
        with _decoding(f"frame {number}"):
            self._image.seek(number - 1)
            wider, higher = _factors(_stated_dpi(self._image))
            size = (round(self._image.width * wider), round(self._image.height * higher))
            remedy = "send it in fewer pixels, or parts"
            self._limits.check_size(number, size, remedy=remedy)
            self._check_place(number)

    def _check_place(self, number: int) -> None:
        """A few kilobytes are thousands of pages where these share their pixels."""
        tags = getattr(self._image, "tag_v2", {})
        places = {place for tag in _PLACES for place in tags.get(tag, ())[:1]}
        if places & self._places:
            raise InvalidInputError(
                "document", f"shows in frame {number} what another shows; send each frame once"
            )
        self._places |= places

    def picture(self, number: int) -> Image.Image:
        """What the file has for page `number`, as it is stored; the next call changes it."""
        self._image.seek(number - 1)
        return self._image

    def page(self, number: int) -> PageImage:
        with _decoding(f"frame {number}"):
            self._image.seek(number - 1)
            dpi = _stated_dpi(self._image)
            upright = ImageOps.exif_transpose(self._image)
            # The stated resolution is of the stored picture: turned by 90 degrees, it is too.
            if upright.size != self._image.size and upright.width == self._image.height:
                dpi = (dpi[1], dpi[0])
            return _page_image(_to_pixels(upright), dpi)


@contextmanager
def open_image(path: Path, *, limits: PageLimits) -> Iterator[ImagePages]:
    """Raises InvalidInputError: damaged."""
    # The size is checked against our own limit, from the header, before anything is decoded.
    Image.MAX_IMAGE_PIXELS = None
    with _decoding("the header"):
        image = Image.open(path, formats=list(IMAGE_FORMATS))
    with image:
        yield ImagePages(image, limits=limits)


@contextmanager
def _decoding(part: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of what it then reads all the same.
            yield
    except (InvalidInputError, MemoryError):
        raise
    except Exception as error:  # damaged bytes make decoders raise anything
        raise InvalidInputError(
            "document", f"is a damaged image ({part} cannot be read); save it again, send it whole"
        ) from error


def _stated_dpi(image: Image.Image) -> tuple[float, float]:
    """Across and down; 0 where the image does not say, or not credibly."""
    stated = image.info.get("dpi")
    if not isinstance(stated, tuple) or len(stated) != 2:
        return 0.0, 0.0
    try:
        across, down = float(stated[0]), float(stated[1])
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0, 0.0
    credible = all(math.isfinite(dpi) and _MIN_DPI <= dpi <= _MAX_DPI for dpi in (across, down))
    return (across, down) if credible else (0.0, 0.0)


def _factors(dpi: tuple[float, float]) -> tuple[float, float]:
    """How far an image is stretched: a fax has half as many rows as columns."""
    across, down = dpi
    finer = max(across, down)
    if finer <= min(across, down) * _ALMOST_SQUARE:
        return 1.0, 1.0
    return finer / across, finer / down


def _page_image(pixels: Pixels, dpi: tuple[float, float]) -> PageImage:
    across, down = dpi if dpi[0] else (_ASSUMED_DPI, _ASSUMED_DPI)
    height, width = pixels.shape[:2]
    wider, higher = _factors(dpi)
    if (wider, higher) != (1.0, 1.0):
        pixels = cv2.resize(pixels, None, interpolation=cv2.INTER_LINEAR, fx=wider, fy=higher)
    return PageImage(
        pixels=pixels,
        size=(width * POINTS_PER_INCH / across, height * POINTS_PER_INCH / down),
        dpi=max(across, down),
        dpi_source="image" if dpi[0] else "assumed",
    )


def _to_pixels(image: Image.Image) -> Pixels:
    """Any image as 8-bit colour on white, which is all that the models can read."""
    if image.mode in {"I", "F"} or image.mode.startswith("I;"):
        image = _eight_bits(image)
    if image.has_transparency_data:
        colours = image.convert("RGBA")
        image = Image.new("RGBA", image.size, "white")
        image.alpha_composite(colours)
    return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])


def _eight_bits(image: Image.Image) -> Image.Image:
    values = np.nan_to_num(np.asarray(image, dtype=np.float32))
    darkest, brightest = _range(image.mode, float(values.min()), float(values.max()))
    scaled = (values - darkest) * (255.0 / max(brightest - darkest, 1e-9))
    return Image.fromarray(scaled.clip(0, 255).round().astype(np.uint8))


def _range(mode: str, darkest: float, brightest: float) -> tuple[float, float]:
    """What stands for black and for white: the values' own extremes where no type says it."""
    if mode.startswith("I;16"):
        return 0.0, 65535.0
    usual = next((white for white in (255.0, 65535.0) if brightest <= white), brightest)
    return (0.0, usual) if mode == "I" and darkest >= 0 else (darkest, brightest)
