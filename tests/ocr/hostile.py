"""Documents of a few kilobytes that ask for days, or for more memory than there is."""

import functools
import io
import struct
import zlib
from collections.abc import Iterator

from PIL import Image


@functools.cache
def stretched_tiff() -> bytes:
    """Few pixels by its header; 48 times as many by the resolution that it states."""
    file = io.BytesIO()
    blank = Image.new("1", (2000, 2000), 1)
    blank.save(file, "TIFF", compression="group4", dpi=(50, 2400))
    return file.getvalue()


def nested_forms(depth: int = 10, draws: int = 10) -> bytes:
    """Forms that draw each other: `draws ** depth` in all."""
    objects = []
    for level in range(depth):
        is_last = level == depth - 1
        inner = "" if is_last else f"/Resources<</XObject<</X {6 + level} 0 R>>>>"
        content = b"0 0 9 9 re f " if is_last else b"/X Do " * draws
        head = f"<</Type/XObject/Subtype/Form/BBox[0 0 200 200]{inner}"
        objects.append(_stream(head, content))
    return _pdf(200, b"/X Do", objects)


@functools.cache
def pictures_in_groups(count: int = 2000) -> bytes:
    """One large picture, drawn over and over, each time into a layer of its own."""
    pixels = zlib.compress(bytes(3000 * 3000 * 3), 9)
    group = (
        "<</Type/XObject/Subtype/Form/BBox[0 0 2000 2000]/Group<</S/Transparency/I true>>"
        "/Resources<</XObject<</Y 6 0 R>>>>"
    )
    picture = (
        "<</Type/XObject/Subtype/Image/Width 3000/Height 3000/BitsPerComponent 8"
        "/ColorSpace/DeviceRGB/Filter/FlateDecode"
    )
    objects = [_stream(group, b"2000 0 0 2000 0 0 cm /Y Do "), _stream(picture, pixels)]
    return _pdf(2000, b"/X Do " * count, objects)


def frames_of_one_picture(count: int, *, shift: int = 0) -> bytes:
    """A TIFF whose frames show the same bytes; each begins `shift` bytes after the one before."""
    side = 1000
    pixels = bytes(side * side // 8 + shift * count)
    places = ((number * shift, side * side // 8) for number in range(count))
    return _tiff(pixels, places, side=side)


def thumbnails(count: int) -> bytes:
    """A TIFF of so many frames that are no pages, and one that is."""
    return _tiff(bytes(count + 1), ((n, 1) for n in range(count + 1)), side=1, reduced=count)


def endless_animation(count: int) -> bytes:
    """A GIF of so many frames of one pixel."""
    head = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff"
    frame = b",\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0"
    return head + frame * count + b";"


def claims(kind: str, side: int) -> bytes:
    """A picture of a few bytes that says it has `side` by `side` pixels."""
    match kind:
        case "GIF":
            screen = struct.pack("<HH", side, side)
            return b"GIF89a" + screen + b"\0\0\0,\0\0\0\0" + screen + b"\0\x02\x02D\x01\0;"
        case "BMP":
            header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, 9, 0, 0, 0, 0)
            return b"BM" + struct.pack("<III", 1100, 0, 1078) + header + bytes(1024) + b"\0\x01"
        case "PPM":
            return b"P6 %d %d 255\n" % (side, side)
    file = io.BytesIO()
    Image.new("RGB", (64, 65), "white").save(file, kind)
    content, size = file.getvalue(), struct.pack(">II", side, side)
    for written in (struct.pack(">II", 64, 65), struct.pack(">II", 65, 64)):
        content = content.replace(written, size)
    return content


def many_frames(count: int) -> bytes:
    """A TIFF of so many frames of one pixel, each its own."""
    return _tiff(bytes(count), ((n, 1) for n in range(count)), side=1)


def _tiff(
    pixels: bytes, places: Iterator[tuple[int, int]], *, side: int, reduced: int = 0
) -> bytes:
    content = bytearray(b"II*\0" + struct.pack("<I", 8 + len(pixels)) + pixels)
    directories = []
    for number, (place, size) in enumerate(places):
        tags = [
            (254, int(number < reduced)),
            (256, side),
            (257, side),
            (258, 1),
            (259, 1),
            (262, 0),
        ]
        tags += [(273, 8 + place), (277, 1), (278, side), (279, size)]
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        directories.append(struct.pack("<H", len(tags)) + entries)
    for number, directory in enumerate(directories, start=1):
        after = len(content) + len(directory) + 4
        content += directory + struct.pack("<I", after if number < len(directories) else 0)
    return bytes(content)


def _stream(head: str, content: bytes) -> bytes:
    return f"{head}/Length {len(content)}>>\nstream\n".encode() + content + b"\nendstream"


def _pdf(side: int, content: bytes, objects: list[bytes]) -> bytes:
    """A page of `side` points that shows `content`; its object `X` is the first of `objects`."""
    packed = zlib.compress(content, 9)
    page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {side} {side}]/Contents 4 0 R"
    numbered = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        f"{page}/Resources<</XObject<</X 5 0 R>>>>>>".encode(),
        _stream("<</Filter/FlateDecode", packed),
        *objects,
    ]
    file = bytearray(b"%PDF-1.7\n")
    places = []
    for number, one in enumerate(numbered, start=1):
        places.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(numbered) + 1
    return bytes(
        file
        + b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
        + b"trailer <</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, len(file))
    )
