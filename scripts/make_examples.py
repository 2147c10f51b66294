"""Draws data/examples from the texts in data/examples/truth: `python -m scripts.make_examples`.

A maintainer's tool; what it draws is committed. Needs `fpdf2` and the fonts of the Debian packages
fonts-liberation, fonts-wqy-zenhei and fonts-ipafont-gothic.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from fpdf import FPDF
from PIL import Image, ImageDraw, ImageFont

EXAMPLES = Path(__file__).parent.parent / "data" / "examples"
FONTS = Path("/usr/share/fonts")
SERIF = ("truetype/liberation/LiberationSerif-Regular.ttf",) * 2
SANS = (
    "truetype/liberation/LiberationSans-Regular.ttf",
    "truetype/liberation/LiberationSans-Bold.ttf",
)
CHINESE = ("truetype/wqy/wqy-zenhei.ttc",) * 2
JAPANESE = ("opentype/ipafont-gothic/ipag.ttf",) * 2

A4 = (595.0, 842.0)
A5 = (420.0, 595.0)

Grey = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    """How a text is set: a title first, a gap after each line that is short. Lengths in points.

    A table's rows have tabs between their cells; `columns` are where these begin, from the margin.
    """

    fonts: tuple[str, str]
    page: tuple[float, float] = A4
    size: float = 11.5
    margin: float = 72.0
    columns: tuple[float, ...] = (0.0,)


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """A line of text with its left end and its top."""

    text: str
    x: float
    y: float
    size: float
    bold: bool


def place(text: str, style: Style) -> list[list[Placed]]:
    """The lines of each page."""
    return [list(_place_page(page.splitlines(), style)) for page in text.split("\f")]


def _place_page(lines: list[str], style: Style) -> Iterator[Placed]:
    y, rows = style.margin, [line.split("\t") for line in lines]
    longest = max(len(cell) for cells in rows for cell in cells)
    for number, cells in enumerate(rows):
        size = style.size * (1.5 if number == 0 else 1.0)
        for text, column in zip(cells, style.columns, strict=False):
            x = style.margin + column
            yield Placed(text=text, x=x, y=y, size=size, bold=number == 0)
        y += size * 1.55
        is_last = number + 1 == len(rows) or len(rows[number + 1]) == 1
        if is_last if len(cells) > 1 else len(cells[0]) < 0.8 * longest:
            y += style.size * 0.8


def draw_pdf(pages: list[list[Placed]], style: Style, path: Path) -> None:
    pdf = FPDF(unit="pt", format=style.page)
    pdf.set_creation_date(datetime(2026, 1, 1, tzinfo=UTC))
    for emphasis, font in zip(("", "B"), style.fonts, strict=True):
        pdf.add_font("text", emphasis, FONTS / font)
    for page in pages:
        pdf.add_page()
        for line in page:
            pdf.set_font("text", "B" if line.bold else "", line.size)
            pdf.text(line.x, line.y + line.size, line.text)
    pdf.output(str(path))


def draw_images(pages: list[list[Placed]], style: Style, *, dpi: int) -> list[Image.Image]:
    return [_draw_image(page, style, dpi / 72) for page in pages]


def _draw_image(page: list[Placed], style: Style, scale: float) -> Image.Image:
    width, height = style.page
    image = Image.new("L", (round(width * scale), round(height * scale)), 255)
    draw = ImageDraw.Draw(image)
    for line in page:
        font = ImageFont.truetype(FONTS / style.fonts[line.bold], line.size * scale)
        draw.text((line.x * scale, line.y * scale), line.text, fill=20, font=font)
    return image


def scanned(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Askew, blurred, on paper that is not white, with dust and noise."""
    page = np.asarray(image.rotate(0.5, Image.Resampling.BICUBIC, fillcolor=255), np.float32)
    page = cv2.GaussianBlur(page, (0, 0), 0.9) * 0.86 + 18
    page += rng.normal(0, 7, page.shape)
    for x, y in rng.integers((0, 0), (page.shape[1], page.shape[0]), (150, 2)):
        cv2.circle(page, (int(x), int(y)), 1, 90.0, -1)
    return Image.fromarray(page.clip(0, 255).astype(np.uint8))


def photographed(image: Image.Image) -> Image.Image:
    """Seen from one side, in the light of a window, on a dark table."""
    page: Grey = np.asarray(image)
    height, width = page.shape
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    seen = np.array(
        [(70, 52), (width - 44, 30), (width - 68, height - 56), (36, height - 26)], np.float32
    )
    transform = cv2.getPerspectiveTransform(corners, seen)
    page = cv2.warpPerspective(page, transform, (width, height), borderValue=70)
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    light = 1.0 - 0.45 * across * down - 0.15 * across
    shaded = cv2.GaussianBlur(page * light, (0, 0), 0.8)
    steps = 4  # fewer shades, a smaller file
    return Image.fromarray((shaded // steps * steps).clip(0, 255).astype(np.uint8))


def _scanned_pdf(pages: list[list[Placed]], style: Style, path: Path) -> None:
    rng = np.random.default_rng(1987)
    images = [scanned(image, rng) for image in draw_images(pages, style, dpi=150)]
    # Pillow would otherwise write the time into the file.
    when = datetime(2026, 1, 1, tzinfo=UTC).timetuple()
    images[0].save(
        path, "PDF", resolution=150, quality=42, save_all=True, append_images=images[1:],
        creationDate=when, modDate=when,
    )  # fmt: skip


def _upside_down_png(pages: list[list[Placed]], style: Style, path: Path) -> None:
    image = draw_images(pages, style, dpi=150)[0]
    image.rotate(180).quantize(16).save(path, dpi=(150, 150), optimize=True)


def _photo_png(pages: list[list[Placed]], style: Style, path: Path) -> None:
    photographed(draw_images(pages, style, dpi=170)[0]).save(path, optimize=True)


def _png(pages: list[list[Placed]], style: Style, path: Path) -> None:
    image = draw_images(pages, style, dpi=150)[0]
    image.quantize(16).save(path, dpi=(150, 150), optimize=True)


def _webp(pages: list[list[Placed]], style: Style, path: Path) -> None:
    draw_images(pages, style, dpi=150)[0].save(path, quality=80, method=6)


def _fax_tiff(pages: list[list[Placed]], style: Style, path: Path) -> None:
    """Black and white, and half as fine from top to bottom as from side to side."""
    images = [
        image.resize((image.width, image.height // 2)).point(lambda value: 255 * (value > 128), "1")
        for image in draw_images(pages, style, dpi=204)
    ]
    images[0].save(
        path, save_all=True, append_images=images[1:], compression="group4", dpi=(204, 102)
    )


INVOICE_COLUMNS = (0.0, 70.0, 350.0)
DELIVERY_COLUMNS = (0.0, 110.0)
ACCOUNTS_COLUMNS = (0.0, 220.0)

EXAMPLE_FILES: list[tuple[str, Style, Callable[[list[list[Placed]], Style, Path], None]]] = [
    ("minutes.pdf", Style(fonts=SERIF, columns=ACCOUNTS_COLUMNS), draw_pdf),
    ("scanned-letter.pdf", Style(fonts=SERIF), _scanned_pdf),
    ("upside-down.png", Style(fonts=SANS, columns=DELIVERY_COLUMNS), _upside_down_png),
    ("photo.png", Style(fonts=SANS, page=A5, size=12, margin=46), _photo_png),
    ("rechnung.pdf", Style(fonts=SANS, columns=INVOICE_COLUMNS), draw_pdf),
    ("lettre.webp", Style(fonts=SERIF), _webp),
    ("notice-zh.png", Style(fonts=CHINESE, size=14), _png),
    ("notice-ja.png", Style(fonts=JAPANESE, size=14), _png),
    ("fax.tif", Style(fonts=SANS, size=12), _fax_tiff),
]


def main() -> None:
    for name, style, draw in EXAMPLE_FILES:
        truth = EXAMPLES / "truth" / f"{Path(name).stem}.txt"
        draw(place(truth.read_text("utf-8"), style), style, EXAMPLES / name)


if __name__ == "__main__":
    main()
