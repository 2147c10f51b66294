"""Pages are drawn here: text set in lines on paper, with what it says."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_FONTS = Path("/usr/share/fonts")
SANS = "truetype/dejavu/DejaVuSans.ttf"
SERIF = "truetype/liberation/LiberationSerif-Regular.ttf"
NARROW = "truetype/liberation/LiberationSans-Regular.ttf"
BOLD = "truetype/liberation/LiberationSans-Bold.ttf"
MONO = "truetype/liberation/LiberationMono-Regular.ttf"
CJK = "opentype/noto/NotoSansCJK-Regular.ttc"
_PACKAGES = {
    "dejavu": "fonts-dejavu-core",
    "liberation": "fonts-liberation",
    "opentype": "fonts-noto-cjk",
    "noto": "fonts-noto-core",
}
_IDEOGRAPHS = re.compile(r"[\u2e80-\u9fff\uff00-\uffef]")
_INK = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class TestPage:
    """A picture and what it says; each of `truths` is an order in which it may be read.

    `readable`: the model has the letters; else it is to say that it cannot read the page. With
    `as_pdf` we get it as a PDF whose page is that picture; tesseract reads the picture.
    """

    name: str
    image: Image.Image
    truths: Sequence[str]
    dpi: int = 150
    language: str = "eng"
    as_pdf: bool = False
    readable: bool = True


@dataclass(kw_only=True, slots=True)
class Sheet:
    """Paper of `width` by `height` points. Lengths are in points, places are of the top left."""

    width: float
    height: float
    dpi: int = 150
    paper: int = 255
    image: Image.Image = field(init=False)

    def __post_init__(self) -> None:
        size = (round(self.width * self.scale), round(self.height * self.scale))
        self.image = Image.new("L", size, self.paper)

    @property
    def scale(self) -> float:
        return self.dpi / 72

    def put(self, text: str, at: tuple[float, float], size: float, *, font: str = SANS) -> None:
        """One line."""
        place = (at[0] * self.scale, at[1] * self.scale)
        drawing = ImageDraw.Draw(self.image)
        drawing.text(place, text, fill=_INK, font=load_font(font, size * self.scale))

    def flow(
        self,
        text: str,
        at: tuple[float, float],
        width: float,
        size: float,
        *,
        font: str = SANS,
        leading: float = 1.4,
        most: int = 10_000,
    ) -> tuple[str, float]:
        """Lines from there down, no more than fit and than `most`: what they say, where they end.

        A line's distance from the next is `leading` times the size.
        """
        lines = wrapped(text, width * self.scale, load_font(font, size * self.scale))
        step = size * leading
        count = min(len(lines), most, int((self.height - at[1]) // step))
        for number, line in enumerate(lines[:count]):
            self.put(line, (at[0], at[1] + number * step), size, font=font)
        return "\n".join(lines[:count]), at[1] + count * step

    def rule(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        points = [(x * self.scale, y * self.scale) for x, y in (start, end)]
        ImageDraw.Draw(self.image).line(points, fill=_INK, width=max(1, round(self.scale * 0.6)))

    def page(self, name: str, *truths: str, language: str = "eng", pdf: bool = False) -> TestPage:
        return TestPage(
            name=name,
            image=self.image,
            truths=truths,
            dpi=self.dpi,
            language=language,
            as_pdf=pdf,
        )


@cache
def load_font(name: str, pixels: float) -> ImageFont.FreeTypeFont:
    """Raises SystemExit that says which package has it."""
    path = _FONTS / name
    if not path.is_file():
        package = next(package for part, package in _PACKAGES.items() if part in name)
        raise SystemExit(f"{path} is missing: apt-get install {package}")
    return ImageFont.truetype(path, max(pixels, 1))


def wrapped(text: str, width: float, font: ImageFont.FreeTypeFont) -> list[str]:
    """Lines that are no wider, where a word is not; Chinese and Japanese break anywhere."""
    joint = "" if _IDEOGRAPHS.search(text) else " "
    lines: list[str] = []
    for piece in text.split(" ") if joint else text:
        longer = f"{lines[-1]}{joint}{piece}" if lines else piece
        if lines and font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(piece)
    return lines


def plain(text: str) -> str:
    """As it is compared: white space is one space, and none beside an ideograph."""
    text = " ".join(unicodedata.normalize("NFKC", text).split())
    beside = rf"(?<={_IDEOGRAPHS.pattern}) | (?={_IDEOGRAPHS.pattern})"
    return re.sub(beside, "", text)
