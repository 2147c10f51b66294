"""What happens to a page before it is read; `strength` is 1, as it often is, or 2, a bad case."""

import io
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Damage = Callable[[Image.Image, int], Image.Image]


def _blur(image: Image.Image, strength: int) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(0.7 * strength))


def _noise(image: Image.Image, strength: int) -> Image.Image:
    rng = np.random.default_rng(strength)
    return _from(_floats(image) + rng.normal(0, 22 * strength, (image.height, image.width)))


def _skew(image: Image.Image, strength: int) -> Image.Image:
    return image.rotate(2.5 * strength, Image.Resampling.BICUBIC, fillcolor=255)


def _low_contrast(image: Image.Image, strength: int) -> Image.Image:
    return _from(_floats(image) * (0.3 / strength) + 150)


def _jpeg(image: Image.Image, strength: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=24 // strength)
    return Image.open(file).convert("L")


def _photocopy(image: Image.Image, strength: int) -> Image.Image:
    """Dust, thick strokes, black and white."""
    page = _floats(_blur(image, 1))
    rng = np.random.default_rng(strength)
    page += rng.normal(0, 14 * strength, page.shape)
    dust = rng.random(page.shape) < 0.0015 * strength
    return _from(np.where((page < 150 + 15 * strength) | dust, 0.0, 255.0))


def _floats(image: Image.Image) -> npt.NDArray[np.float64]:
    return np.asarray(image, np.float64)


def _from(values: npt.NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


DAMAGES: Mapping[str, Damage] = {
    "blur": _blur,
    "noise": _noise,
    "skew": _skew,
    "low contrast": _low_contrast,
    "jpeg": _jpeg,
    "photocopy": _photocopy,
}
