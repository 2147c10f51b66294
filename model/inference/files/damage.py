"""Images that are damaged, or were cut off: as much of them as can be decoded."""

import io
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageFile

from ..reading.reading import Pixels
from .kinds import IMAGE_FORMATS

_USEFUL_ROWS = 8
_BLOCK_BYTES = 1 << 20
_MOST_PADDING = 1 << 24

_PNG_START = b"\x89PNG\r\n\x1a\n"
_CHUNK_NAME = re.compile(rb"[A-Za-z]{4}")
_NEXT_CHUNK = re.compile(rb"IDAT|IEND")
_CRITICAL_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_TIFF_STARTS = (b"II", b"MM")


def is_intact(path: Path, format_name: str | None) -> bool:
    """False where a file is damaged in a way that Pillow overlooks."""
    with path.open("rb") as file:
        match format_name:
            case "PNG":
                return _is_intact_png(file)
            case "JPEG" | "MPO":
                return _is_ended_jpeg(file)
            case _:
                return True


@contextmanager
def open_damaged(path: Path) -> Iterator[Image.Image]:
    """An image that gives what it can when it is loaded. Raises what Pillow raises."""
    content = path.read_bytes()
    if content.startswith(_PNG_START):
        content = _repaired_png(content)
    elif content.startswith(_TIFF_STARTS):
        # A fax whose last bytes are missing is decoded up to there, if only there is something.
        content += bytes(min(len(content), _MOST_PADDING))
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        with Image.open(io.BytesIO(content), formats=list(IMAGE_FORMATS)) as image:
            yield image
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


def load_damaged(image: Image.Image) -> None:
    try:
        image.load()
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - damaged bytes make decoders raise anything
        # Pillow's word for there being no more to decode: what there is, remains.
        image.tile = []  # type: ignore[attr-defined]


def blank_undecoded(pixels: Pixels) -> bool:
    """Make white what is one colour down to the end, or black from the start: a bitmap is stored
    from its last row to its first. False where that leaves almost nothing."""
    first, last = 0, len(pixels)
    while last and (pixels[last - 1] == pixels[-1, -1]).all():
        last -= 1
    while first < last and not pixels[first].any():
        first += 1
    is_useful = last - first >= min(_USEFUL_ROWS, len(pixels))
    pixels[:first] = 255
    pixels[last:] = 255
    return is_useful


def _is_intact_png(file: io.BufferedReader) -> bool:
    file.seek(len(_PNG_START))
    while len(head := file.read(8)) == 8:
        left, name = int.from_bytes(head[:4]), head[4:]
        checksum = zlib.crc32(name)
        while left and (block := file.read(min(left, _BLOCK_BYTES))):
            checksum = zlib.crc32(block, checksum)
            left -= len(block)
        if left or file.read(4) != checksum.to_bytes(4):
            return False
        if name == b"IEND":
            return True
    return False


def _repaired_png(content: bytes) -> bytes:
    """With the checksums and the names that its chunks should have, and an end."""
    parts = [_PNG_START]
    for name, data in _chunks(content):
        is_lost = name not in _CRITICAL_CHUNKS and not 97 <= name[0] <= 122
        parts.append(_chunk(b"IDAT" if is_lost else name, data))
    return b"".join([*parts, _chunk(b"IEND", b"")])


def _chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4) + name + data + _checksum(name, data)


def _checksum(name: bytes, data: bytes) -> bytes:
    return zlib.crc32(data, zlib.crc32(name)).to_bytes(4)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Where a length leads nowhere, up to the next chunk of the picture."""
    place = len(_PNG_START)
    while place + 8 <= len(content):
        start = place + 8
        name = content[place + 4 : start]
        end = start + int.from_bytes(content[place : place + 4])
        data, after = content[start:end], content[end : end + 12]
        if after[:4] != _checksum(name, data) and not _CHUNK_NAME.fullmatch(after[8:]):
            following = _NEXT_CHUNK.search(content, start)
            end = max(following.start() - 8, start) if following else len(content)
            data = content[start:end]
        if name == b"IEND":
            return
        yield name, data
        place = end + 4


def _is_ended_jpeg(file: io.BufferedReader) -> bool:
    file.seek(_picture_of_jpeg(file))
    last = b""
    while block := file.read(_BLOCK_BYTES):
        if b"\xff\xd9" in last + block:
            return True
        last = block[-1:]
    return False


def _picture_of_jpeg(file: io.BufferedReader) -> int:
    """Where it begins: a preview, which has an end of its own, is before it."""
    place = 2
    while True:
        file.seek(place)
        head = file.read(4)
        if len(head) < 4:
            return 2
        if head[0] != 0xFF or head[1] == 0xDA:
            return place
        is_filling = head[1] == 0xFF
        place += 1 if is_filling else 2 + int.from_bytes(head[2:])
