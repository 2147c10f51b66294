"""Pages of an image file: the frames of a TIFF, or the one picture of any other."""

import math
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from PIL import AvifImagePlugin, Image, Jpeg2KImagePlugin, JpegImagePlugin

from truss_outbox.contract.errors import InvalidInputError

from ..reading.reading import POINTS_PER_INCH, PageImage, Pixels
from ..settings import PageLimits
from .colours import to_pixels
from .damage import blank_undecoded, is_intact, load_damaged, open_damaged
from .frames import Frames
from .kinds import IMAGE_FORMATS

_ASSUMED_DPI = 150.0
_MIN_DPI, _MAX_DPI = 50.0, 2400.0  # what an image says outside of these is a default, or wrong
_ALMOST_SQUARE = 1.1
_ORIENTATION = 0x0112  # of EXIF, and of TIFF
_QUARTER_TURNED = {5, 6, 7, 8}
_JPEG_2000_SHARE = 3
"""Its decoder takes three times the memory that others take for a picture."""
_SEVERAL_PICTURES = {"TIFF", "MPO"}
_DAMAGED = "the image is damaged or cut off; what could not be decoded is left blank"
_ANIMATED = "the image is an animation; its first picture is what is read"

# Each thread takes memory of its own, which is bounded.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1


class ImagePages:
    """Implements `Pages`."""

    def __init__(
        self, image: Image.Image, path: Path, *, is_damaged: bool, limits: PageLimits
    ) -> None:
        self._image = image
        self._path = path
        self._is_damaged = is_damaged
        self._limits = limits
        self._frames = Frames(image)

    def count(self, at_most: int) -> int:
        with _decoding("a frame"):
            return self._frames.count(at_most)

    def check(self, number: int) -> None:
        with _decoding(f"frame {number}"):
            self._image.seek(self._frames.index(number))
            self._is_halved(number)
            # A few kilobytes are thousands of pages where these share their pixels.
            if not self._frames.has_its_own_place():
                problem = f"shows in frame {number} what another shows; send each frame once"
                raise InvalidInputError("document", problem)

    def picture(self, number: int) -> Image.Image:
        """What the file has for page `number`, as it is stored; the next call changes it."""
        self._image.seek(self._frames.index(number))
        return self._image

    def page(self, number: int) -> PageImage:
        index = self._frames.index(number)
        with _decoding(f"frame {number}"):
            self._image.seek(index)
            halved = self._is_halved(number)
            if self._is_damaged:
                return _page(self._image, halved=halved, is_damaged=True)
            try:
                page = _page(self._image, halved=halved)
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001 - damaged bytes make decoders raise anything
                with open_damaged(self._path) as image:
                    image.seek(index)
                    return _page(image, halved=halved, is_damaged=True)
            if is_intact(self._path, self._image.format):
                return page
            return replace(page, warnings=[_DAMAGED, *page.warnings])

    def _is_halved(self, number: int) -> bool:
        """An image of up to four times the pixels of a page becomes a page at half its size."""
        wider, higher = _factors(_stated_dpi(self._image))
        width, height = (round(self._image.width * wider), round(self._image.height * higher))
        most = self._limits.max_page_pixels
        whole = most // _JPEG_2000_SHARE if self._image.format == "JPEG2000" else most
        halved = (
            width * height > whole
            and (width // 2) * (height // 2) <= most
            and max(width, height) <= self._limits.max_page_side
        )
        if not halved:
            remedy = "send it in fewer pixels, or parts"
            self._limits.check_size(number, (width, height), remedy=remedy)
        return halved


@contextmanager
def open_image(path: Path, *, limits: PageLimits) -> Iterator[ImagePages]:
    """Raises InvalidInputError: damaged."""
    # The size is checked against our own limit, from the header, before anything is decoded.
    Image.MAX_IMAGE_PIXELS = None
    with ExitStack() as stack:
        is_damaged = False
        with _decoding("the header"):
            try:
                image: Image.Image = stack.enter_context(
                    Image.open(path, formats=list(IMAGE_FORMATS))
                )
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001 - damaged bytes make decoders raise anything
                image = stack.enter_context(open_damaged(path))
                is_damaged = True
        yield ImagePages(image, path, is_damaged=is_damaged, limits=limits)


@contextmanager
def _decoding(part: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of what it then reads all the same.
            yield
    except (InvalidInputError, MemoryError):
        raise
    except Exception as error:  # damaged bytes make decoders raise anything
        raise _undecodable(part) from error


def _undecodable(part: str) -> InvalidInputError:
    return InvalidInputError(
        "document", f"is a damaged image ({part} cannot be read); save it again, send it whole"
    )


def _page(image: Image.Image, *, halved: bool, is_damaged: bool = False) -> PageImage:
    size, dpi = image.size, _stated_dpi(image)
    if halved:
        _draft(image)
    if is_damaged:
        load_damaged(image)
    else:
        image.load()
    pixels = to_pixels(image, halved=halved and image.size == size)
    if is_damaged and not blank_undecoded(pixels):
        raise _undecodable("its picture")
    orientation = _orientation(image)
    if halved:
        dpi = (dpi[0] / 2, dpi[1] / 2)
    # The stated resolution is of the stored picture: turned by 90 degrees, it is too.
    if orientation in _QUARTER_TURNED:
        dpi = (dpi[1], dpi[0])
    page = _page_image(_upright(pixels, orientation), dpi)
    found = ((is_damaged, _DAMAGED), (_is_animation(image), _ANIMATED))
    return replace(page, warnings=[warning for is_so, warning in found if is_so])


def _draft(image: Image.Image) -> None:
    """Have it decoded at half its size, where its kind can do so."""
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        image.draft(None, (image.width // 2, image.height // 2))
    elif isinstance(image, Jpeg2KImagePlugin.Jpeg2KImageFile):
        image.reduce = 1


def _is_animation(image: Image.Image) -> bool:
    if image.format in _SEVERAL_PICTURES:
        return False
    with suppress(Exception):  # what is behind the first picture may be damaged
        return bool(getattr(image, "is_animated", False))
    return False


def _orientation(image: Image.Image) -> int:
    with suppress(Exception):  # a picture is shown all the same where what is said of it is damaged
        return int(image.getexif().get(_ORIENTATION, 1))
    return 1


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """What is stored as EXIF describes."""
    match orientation:
        case 2:
            pixels = pixels[:, ::-1]
        case 3:
            pixels = pixels[::-1, ::-1]
        case 4:
            pixels = pixels[::-1]
        case 5:
            pixels = pixels.transpose(1, 0, 2)
        case 6:
            pixels = np.rot90(pixels, -1)
        case 7:
            pixels = pixels[::-1, ::-1].transpose(1, 0, 2)
        case 8:
            pixels = np.rot90(pixels)
    return np.ascontiguousarray(pixels)


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
