"""What is drawn on nothing is put on a ground that it can be seen on."""

import numpy as np
import pypdfium2
import pytest
from PIL import Image, ImageDraw, ImageOps

from model.inference.files.colours import to_pixels
from tests.ocr.inference.conftest import encoded

CLEAR = (0, 0, 0, 0)


def drawn(*colours: tuple[int, ...]) -> Image.Image:
    """Strokes, a few for each colour, on nothing."""
    image = Image.new("RGBA", (300, 200), CLEAR)
    draw = ImageDraw.Draw(image)
    for number, colour in enumerate(colours * (12 // len(colours))):
        draw.rectangle((20 + number * 22, 30, 25 + number * 22, 170), fill=colour)
    return image


def ground(image: Image.Image) -> int:
    pixels = to_pixels(image)
    assert (pixels[0, 0] == pixels[0, 0, 0]).all()
    return int(pixels[0, 0, 0])


@pytest.mark.parametrize(
    ("colours", "expected"),
    [
        ([(0, 0, 0)], 255),
        ([(200, 30, 30)], 255),
        ([(90, 90, 90)], 255),
        ([(255, 255, 255)], 0),
        ([(255, 230, 40)], 0),
        ([(255, 255, 255, 140)], 0),
        ([(255, 255, 255, 100)], 0),
        ([(255, 255, 255), (0, 0, 0)], 128),
        ([CLEAR], 255),
    ],
)
def test_the_ground_contrasts_with_what_is_drawn(colours, expected):
    assert ground(drawn(*colours)) == expected


def test_a_page_that_brings_its_ground_is_on_white():
    page = Image.new("RGBA", (300, 200), CLEAR)
    ImageDraw.Draw(page).rounded_rectangle((5, 5, 295, 195), 20, fill="white")
    assert ground(page) == 255


def test_letters_on_a_label_say_nothing_about_the_ground_of_the_label():
    label = Image.new("RGBA", (300, 200), CLEAR)
    draw = ImageDraw.Draw(label)
    draw.rectangle((50, 50, 200, 150), fill=(20, 20, 90))
    for place in range(60, 190, 12):
        draw.rectangle((place, 60, place + 8, 140), fill="white")
    assert ground(label) == 255


def white(card: Image.Image) -> Image.Image:
    """White letters on nothing."""
    letters = Image.new("RGBA", card.size, "white")
    letters.putalpha(ImageOps.invert(card.convert("L")))
    return letters


def key_colour(card: Image.Image) -> bytes:
    """White letters on one grey, which the file calls transparent."""
    grey = card.convert("L").point(lambda value: 0 if value > 128 else 255)
    return encoded(grey, "PNG", transparency=0)


STORED = {
    "RGBA": lambda card: encoded(white(card), "PNG"),
    "grey and alpha": lambda card: encoded(white(card).convert("LA"), "PNG"),
    "a palette": lambda card: encoded(white(card).quantize(16), "PNG"),
    "a transparent grey": key_colour,
    "WebP": lambda card: encoded(white(card), "WEBP", lossless=True),
    "GIF": lambda card: encoded(white(card), "GIF"),
}


@pytest.mark.parametrize("name", STORED)
def test_white_letters_on_nothing_are_seen_however_they_are_stored(opened, card, name):
    (page,) = opened(STORED[name](card))
    (black,) = opened(encoded(ImageOps.invert(card), "PNG"))
    difference = np.abs(page.pixels.astype(int) - black.pixels)
    assert difference.mean() < 5


def test_white_letters_on_nothing_are_read_and_seen_in_searchable_pdf(read, card, card_lines):
    result = read(encoded(white(card), "PNG"), artifacts=["text.txt", "searchable.pdf"])
    assert result.lines() == card_lines
    with pypdfium2.PdfDocument(result.outputs.files["searchable.pdf"]) as pdf:
        page = pdf[0].render(scale=1).to_numpy()
    assert page[0, 0].max() < 50
    assert page.max() > 200


def test_black_and_white_letters_on_nothing_are_read(read, card, card_lines):
    half = white(card)
    black = Image.new("RGBA", card.size, "black")
    black.putalpha(half.getchannel("A"))
    half.paste(black.crop((0, 0, 800, 160)), (0, 0))
    assert read(encoded(half, "PNG")).lines() == card_lines
