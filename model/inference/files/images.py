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

    def __init__(self, image: Image.Image, *, count: int, limits: PageLimits) -> None:
        self._image = image
        self._limits = limits
        self.count = count

    def check(self, number: int) -> None:
        with _decoding(f"frame {number}"):
            self._image.seek(number - 1)
            remedy = "send it in fewer pixels, or parts"
            self._limits.check_size(number, self._image.size, remedy=remedy)

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
        with _decoding("the header"):
            # Other formats' frames are animations, or (JPEG) previews.
            count = getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
        yield ImagePages(image, count=count, limits=limits)


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


def _page_image(pixels: Pixels, dpi: tuple[float, float]) -> PageImage:
    across, down = dpi if dpi[0] else (_ASSUMED_DPI, _ASSUMED_DPI)
    height, width = pixels.shape[:2]
    finer = max(across, down)
    if finer > min(across, down) * _ALMOST_SQUARE:  # a fax has half as many rows as columns
        factors = {"fx": finer / across, "fy": finer / down}
        pixels = cv2.resize(pixels, None, interpolation=cv2.INTER_LINEAR, **factors)
    return PageImage(
        pixels=pixels,
        size=(width * POINTS_PER_INCH / across, height * POINTS_PER_INCH / down),
        dpi=finer,
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
