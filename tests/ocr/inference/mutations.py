"""Documents damaged at random, the same ones for the same seed."""

import random
import re
from collections.abc import Callable, Iterator

from PIL import Image

from tests.ocr.inference.conftest import EXAMPLES, encoded

_NUMBER = re.compile(rb"(?<![0-9])[0-9]{1,6}(?![0-9])")
_EXTREMES = (b"0", b"-1", b"1", b"9", b"255", b"65536", b"2147483647", b"4294967295", b"1e30")


def damaged_documents(count: int, *, seed: int) -> Iterator[tuple[str, bytes]]:
    """The kind of each, and its bytes."""
    chance = random.Random(seed)
    seeds = [(kind, content) for kind, contents in _seeds().items() for content in contents]
    for _ in range(count):
        kind, content = chance.choice(seeds)
        damaged = bytearray(content)
        for _ in range(chance.choice((1, 1, 2, 4, 16))):
            if damaged:
                chance.choice(_DAMAGES)(damaged, chance)
        yield kind, bytes(damaged)


def _seeds() -> dict[str, list[bytes]]:
    with Image.open(EXAMPLES / "photo.png") as photo:
        picture = photo.convert("RGB").resize((200, 280))
    bilevel = picture.convert("1")
    tiffs = [
        encoded(picture, "TIFF", compression=name)
        for name in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")
    ]
    tiffs += [
        encoded(bilevel, "TIFF", compression=name, save_all=True, append_images=[bilevel])
        for name in ("group3", "group4", "tiff_ccitt")
    ]
    pdfs = [(EXAMPLES / name).read_bytes() for name in ("minutes.pdf", "scanned-letter.pdf")]
    return {
        "PDF": [*pdfs, encoded(picture, "PDF"), encoded(bilevel, "PDF")],
        "TIFF": tiffs,
        "PNG": [encoded(picture.convert(mode), "PNG") for mode in ("RGB", "P", "LA", "1")],
        "JPEG": [
            encoded(picture, "JPEG", progressive=progressive) for progressive in (True, False)
        ],
        "GIF": [
            encoded(picture, "GIF"),
            encoded(picture, "GIF", save_all=True, append_images=[bilevel]),
        ],
        "BMP": [encoded(picture, "BMP"), encoded(bilevel, "BMP")],
        "JPEG2000": [encoded(picture, "JPEG2000"), encoded(bilevel.convert("L"), "JPEG2000")],
        "AVIF": [encoded(picture, "AVIF", speed=10)],
        "PPM": [encoded(picture, "PPM"), encoded(bilevel, "PPM")],
        "WEBP": [encoded(picture, "WEBP", lossless=lossless) for lossless in (True, False)],
    }


def _place(content: bytearray, chance: random.Random) -> int:
    """Heads and tails say how all else is read: half of the damage is there."""
    near = chance.choice((len(content), len(content), 400))
    place = chance.randrange(min(near, len(content)))
    return place if chance.random() < 0.75 else len(content) - 1 - place


def _overwrite(content: bytearray, chance: random.Random) -> None:
    content[_place(content, chance)] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))


def _flip(content: bytearray, chance: random.Random) -> None:
    content[_place(content, chance)] ^= 1 << chance.randrange(8)


def _blow_up(content: bytearray, chance: random.Random) -> None:
    place = _place(content, chance)
    content[place : place + 4] = chance.choice(
        (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0" * 4)
    )


def _cut(content: bytearray, chance: random.Random) -> None:
    place = _place(content, chance)
    del content[place : place + chance.choice((1, 2, 16, 1000))]


def _repeat(content: bytearray, chance: random.Random) -> None:
    place = _place(content, chance)
    part = content[place : place + chance.choice((1, 12, 100, 5000))]
    content[place:place] = part * chance.choice((1, 2, 20))


def _renumber(content: bytearray, chance: random.Random) -> None:
    """What a PDF counts, refers to and measures are written numbers."""
    numbers = list(_NUMBER.finditer(content))
    if numbers:
        number = chance.choice(numbers)
        content[number.start() : number.end()] = chance.choice(_EXTREMES)


_DAMAGES: tuple[Callable[[bytearray, random.Random], None], ...] = (
    _overwrite,
    _flip,
    _blow_up,
    _cut,
    _repeat,
    _renumber,
)
