"""An image's colours as 8-bit blue, green, red, which is all that the models can read.

It is done in bands: what is made of a large image is there once, and the image beside it.
"""

from collections.abc import Callable, Iterator
from functools import partial

import cv2
import numpy as np
from PIL import Image

from ..reading.reading import Pixels

_BAND_PIXELS = 1 << 21

_WHITE, _GREY, _BLACK = 255, 128, 0
_BRIGHT, _DIM = 170, 85
_SOME = 0.1
_PAGE_SHARE = 0.5
"""An image that is opaque to such a part brings a ground of its own."""


def to_pixels(image: Image.Image, *, halved: bool = False) -> Pixels:
    """`halved` makes one pixel of two by two."""
    step = 2 if halved else 1
    colours_of = _conversion(image)
    pixels = np.empty((image.height // step, image.width // step, 3), np.uint8)
    for top, band in _bands(image):
        colours = colours_of(band)
        if halved:
            colours = _halved(colours)
        pixels[top // step : top // step + len(colours)] = colours
    return pixels


def _bands(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Each has an even number of rows, the last may have one more."""
    rows = max(_BAND_PIXELS // max(image.width, 1), 2) // 2 * 2
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _halved(colours: Pixels) -> Pixels:
    height, width = colours.shape[0] // 2, colours.shape[1] // 2
    if height == 0:
        return colours[:0, :width]
    whole = np.ascontiguousarray(colours[: height * 2, : width * 2])
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _conversion(image: Image.Image) -> Callable[[Image.Image], Pixels]:
    if image.mode in {"I", "F"} or image.mode.startswith("I;"):
        darkest, brightest = _range(image)
        return partial(_eight_bits, darkest=darkest, brightest=brightest)
    if image.has_transparency_data:
        return partial(_on_ground, ground=_ground(image))
    return _opaque


def _opaque(band: Image.Image) -> Pixels:
    return np.asarray(band.convert("RGB"))[:, :, ::-1]


def _on_ground(band: Image.Image, *, ground: int) -> Pixels:
    under = Image.new("RGBA", band.size, (ground, ground, ground, 255))
    under.alpha_composite(band.convert("RGBA"))
    return _opaque(under)


def _ground(image: Image.Image) -> int:
    """What is drawn contrasts with it: white, unless that is what is drawn itself."""
    strongest = 255
    if "A" in image.getbands():
        strongest = max(int(image.getchannel("A").getextrema()[1]), 1)  # type: ignore[arg-type]
    brightness = np.zeros(256, np.int64)
    solid_pixels = 0
    for _, band in _bands(image):
        colours = np.asarray(band.convert("RGBA"))
        solid = (colours[:, :, 3] >= (strongest + 1) // 2).astype(np.uint8)
        # What meets the ground: a label's letters contrast with the label already.
        outline = solid > cv2.erode(solid, np.ones((3, 3), np.uint8))
        grey = cv2.cvtColor(np.ascontiguousarray(colours[:, :, :3]), cv2.COLOR_RGB2GRAY)
        brightness += np.bincount(grey[outline], minlength=256)
        solid_pixels += int(solid.sum())
    if not brightness.any() or solid_pixels >= _PAGE_SHARE * image.width * image.height:
        return _WHITE
    return _contrasting(brightness / brightness.sum())


def _contrasting(brightness: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> int:
    """By how much of the outlines has which brightness."""
    bright, dim = brightness[_BRIGHT:].sum(), brightness[:_DIM].sum()
    if min(bright, dim) >= _SOME:
        return _GREY
    return _BLACK if bright > 1 - bright else _WHITE


def _eight_bits(band: Image.Image, *, darkest: float, brightest: float) -> Pixels:
    scaled = (_values(band) - darkest) * (255.0 / max(brightest - darkest, 1e-9))
    grey = scaled.clip(0, 255).round().astype(np.uint8)
    return np.repeat(grey[:, :, np.newaxis], 3, axis=2)


def _values(band: Image.Image) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    return np.nan_to_num(np.asarray(band, dtype=np.float32))


def _range(image: Image.Image) -> tuple[float, float]:
    """What stands for black and for white: the values' own extremes where no type says it."""
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    bands = [(float(values.min()), float(values.max())) for values in _all_values(image)]
    darkest, brightest = min(low for low, _ in bands), max(high for _, high in bands)
    usual = next((white for white in (255.0, 65535.0) if brightest <= white), brightest)
    return (0.0, usual) if image.mode == "I" and darkest >= 0 else (darkest, brightest)


def _all_values(
    image: Image.Image,
) -> Iterator["np.ndarray[tuple[int, int], np.dtype[np.float32]]"]:
    for _, band in _bands(image):
        yield _values(band)
