"""What kind of file a document is, by its content: stated types and names are wrong too often."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

HEAD_BYTES = 1 << 16

_PDF = re.compile(rb"%PDF-[0-9]\.[0-9].{0,2048}?[0-9]\s{1,9}obj\b", re.DOTALL)
"""After what a web server, a printer or a mail program put before it. An object is asked for too:
any text may mention a PDF's first words."""

_BITMAP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
_PORTABLE = re.compile(rb"P[1-6]\s+(?:#[^\n]{0,200}\n\s*){0,9}[0-9]{1,9}\s+[0-9]{1,9}\s")
_AVIF_BRANDS = {b"avif", b"avis"}

IMAGE_FORMATS: Mapping[str, Callable[[bytes], bool]] = MappingProxyType(
    {
        "PNG": lambda head: head.startswith(b"\x89PNG\r\n\x1a\n"),
        "JPEG": lambda head: head.startswith(b"\xff\xd8\xff"),
        "TIFF": lambda head: head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"},
        "WEBP": lambda head: head[:4] == b"RIFF" and head[8:12] == b"WEBP",
        "GIF": lambda head: head[:6] in {b"GIF87a", b"GIF89a"},
        "BMP": lambda head: (
            head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BITMAP_HEADERS
        ),
        "JPEG2000": lambda head: head.startswith(
            (b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n")
        ),
        "AVIF": lambda head: bool(brands_of(head) & _AVIF_BRANDS),
        "PPM": lambda head: _PORTABLE.match(head) is not None,
    }
)
"""By the name that Pillow has for them."""

READ_FORMATS = "PDF, PNG, JPEG, TIFF, WebP, GIF, BMP, JPEG 2000, AVIF nor PPM"


def head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def format_of(head: bytes) -> str | None:
    """`PDF`, a key of `IMAGE_FORMATS`, or None where it is something that is not read."""
    if head.startswith(b"%PDF-"):
        return "PDF"
    for name, matches in IMAGE_FORMATS.items():
        if matches(head):
            return name
    # What an archive holds is not the whole of what was sent.
    if container_of(head) is not None:
        return None
    return "PDF" if _PDF.search(head) else None


_CONTAINERS: Mapping[str, Callable[[bytes], bool]] = MappingProxyType(
    {
        "zip": lambda head: head[:4] in {b"PK\x03\x04", b"PK\x05\x06"},
        "ole": lambda head: head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        "gzip": lambda head: head.startswith(b"\x1f\x8b\x08"),
        "7z": lambda head: head.startswith(b"7z\xbc\xaf\x27\x1c"),
        "rar": lambda head: head.startswith(b"Rar!\x1a\x07"),
        "tar": lambda head: head[257:262] == b"ustar",
        "heif": lambda head: head[4:8] == b"ftyp" and not brands_of(head) & _AVIF_BRANDS,
        "rtf": lambda head: head.startswith(b"{\\rtf"),
    }
)


def container_of(head: bytes) -> str | None:
    """Which of the kinds it is that may hold a PDF or an image, and are not one."""
    return next((name for name, matches in _CONTAINERS.items() if matches(head)), None)


def brands_of(head: bytes) -> set[bytes]:
    """Of a file in ISO's base format: HEIC, AVIF and MP4 are told apart by these alone."""
    if head[4:8] != b"ftyp":
        return set()
    size = min(int.from_bytes(head[:4], "big"), 256)
    return {head[place : place + 4] for place in (8, *range(16, size, 4))}
