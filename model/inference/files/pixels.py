"""Any image as 8-bit colour on white, which is all that the models can read."""

import numpy as np
from PIL import Image

from ..reading.reading import Pixels


def to_pixels(image: Image.Image) -> Pixels:
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
