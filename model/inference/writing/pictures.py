"""Pictures as PDF has them, in their own encoding where it is one of PDF's: no pixel is changed."""

import io
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pikepdf
from pikepdf import Array, Dictionary, Name, Pdf
from PIL import Image, ImageOps

_JPEG_QUALITY = 90
_RENDERED_QUALITY = 75
_PNG_COLOURS = {0: 1, 2: 3, 3: 1}  # by PNG's colour type, without those that have an opacity
_PALETTE = 3
_PROFILES = {b"GRAY": 1, b"RGB ": 3, b"CMYK": 4}
_ROWS_PER_STRIP, _STRIP_OFFSETS, _STRIP_BYTES = 278, 273, 279
_LOSSY = {"JPEG", "MPO", "JPEG2000", "HEIF", "HEIC", "AVIF"}


def add_picture(pdf: Pdf, image: Image.Image, path: Path) -> pikepdf.Object:
    """The frame of the file at `path` that `image` stands at, as it is stored there.

    Raises what Pillow does where it cannot be decoded.
    """
    if image.format in {"JPEG", "MPO"} and image.mode in {"L", "RGB", "CMYK"}:
        return _add_jpeg(pdf, image, path.read_bytes())
    if image.format == "PNG" and image.mode != "1":
        chunks = _png_chunks(path.read_bytes())
        if _is_embeddable(chunks):
            return _add_png(pdf, image, chunks)
    plain = _plain(image)
    if image.mode == "1":
        return _add_fax(pdf, image)
    if _is_lossy(image, path):
        return _add_jpeg(pdf, plain, _jpeg(plain, _JPEG_QUALITY))
    return _add_encoded(pdf, plain)


def add_pixels(pdf: Pdf, image: Image.Image, path: Path) -> pikepdf.Object:
    """What was decoded of the file at `path`, whose own bytes are no picture of PDF's."""
    is_lossy = False
    with suppress(Exception), Image.open(path) as stored:  # it may be damaged
        is_lossy = _is_lossy(stored, path)
    return (
        _add_jpeg(pdf, image, _jpeg(image, _JPEG_QUALITY)) if is_lossy else _add_encoded(pdf, image)
    )


def add_rendering(pdf: Pdf, image: Image.Image) -> pikepdf.Object:
    """What was drawn of a page that cannot be had otherwise."""
    return _add_jpeg(pdf, image, _jpeg(image, _RENDERED_QUALITY))


def _add_jpeg(pdf: Pdf, image: Image.Image, content: bytes) -> pikepdf.Object:
    entries = Dictionary(Filter=Name.DCTDecode, BitsPerComponent=8)
    entries.ColorSpace = _colour_space(pdf, image, {"L": 1, "RGB": 3, "CMYK": 4}[image.mode])
    if image.mode == "CMYK" and "adobe" in image.info:  # whose programs store them inverted
        entries.Decode = Array([1, 0] * 4)
    return _add(pdf, image.size, content, entries)


def _add_fax(pdf: Pdf, image: Image.Image) -> pikepdf.Object:
    """Of one bit a pixel: CCITT's group 4."""
    file = io.BytesIO()
    # Inverted, because in a fax the paper is 0, and short to tell.
    inverted = ImageOps.invert(image.copy())
    inverted.save(file, "TIFF", compression="group4", tiffinfo={_ROWS_PER_STRIP: inverted.height})
    with Image.open(file, formats=["TIFF"]) as stored:
        tags = stored.tag_v2  # type: ignore[attr-defined]
        (start,), (size,) = tags[_STRIP_OFFSETS], tags[_STRIP_BYTES]
    width, height = image.size
    entries = Dictionary(
        Filter=Name.CCITTFaxDecode,
        DecodeParms=Dictionary(K=-1, Columns=width, Rows=height),
        ColorSpace=Name.DeviceGray,
        BitsPerComponent=1,
    )
    return _add(pdf, image.size, file.getvalue()[start : start + size], entries)


def _add_encoded(pdf: Pdf, image: Image.Image) -> pikepdf.Object:
    file = io.BytesIO()
    image.save(file, "PNG")
    return _add_png(pdf, image, _png_chunks(file.getvalue()))


def _add_png(pdf: Pdf, image: Image.Image, chunks: list[tuple[bytes, bytes]]) -> pikepdf.Object:
    """PDF knows PNG's rows as they are."""
    width, height, bits, kind = struct.unpack(">IIBB", chunks[0][1][:10])
    colours = _PNG_COLOURS[kind]
    space = _colour_space(pdf, image, 3 if kind == _PALETTE else colours)
    if kind == _PALETTE:
        palette = next(content for name, content in chunks if name == b"PLTE")
        space = Array([Name.Indexed, space, len(palette) // 3 - 1, pikepdf.String(palette)])
    entries = Dictionary(
        Filter=Name.FlateDecode,
        DecodeParms=Dictionary(Predictor=15, Colors=colours, BitsPerComponent=bits, Columns=width),
        ColorSpace=space,
        BitsPerComponent=bits,
    )
    pixels = b"".join(content for name, content in chunks if name == b"IDAT")
    return _add(pdf, (width, height), pixels, entries)


def _add(pdf: Pdf, size: tuple[int, int], content: bytes, entries: Dictionary) -> pikepdf.Object:
    stream = pikepdf.Stream(pdf, content)
    stream.Type, stream.Subtype = Name.XObject, Name.Image
    stream.Width, stream.Height = size
    for name, value in entries.items():
        stream[name] = value
    return pdf.make_indirect(stream)


def _colour_space(pdf: Pdf, image: Image.Image, colours: int) -> pikepdf.Object:
    device = {1: Name.DeviceGray, 3: Name.DeviceRGB, 4: Name.DeviceCMYK}[colours]
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or _PROFILES.get(profile[16:20]) != colours:
        return device
    return Array([Name.ICCBased, pdf.make_stream(profile, N=colours, Alternate=device)])


def _png_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    return list(_read_chunks(content))


def _read_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 8
    while place + 12 <= len(content):
        (size,) = struct.unpack(">I", content[place : place + 4])
        yield content[place + 4 : place + 8], content[place + 8 : place + 8 + size]
        place += 12 + size


def _is_embeddable(chunks: list[tuple[bytes, bytes]]) -> bool:
    """Not interlaced, and without opacity."""
    kind, interlaced = chunks[0][1][9], chunks[0][1][12]
    return kind in _PNG_COLOURS and not interlaced and all(name != b"tRNS" for name, _ in chunks)


def _plain(image: Image.Image) -> Image.Image:
    """As it is, if PDF can have it so. Raises ValueError for what only the reading knows: modes,
    and the ground on which something transparent is seen."""
    if image.has_transparency_data:
        raise ValueError("transparent")
    if image.mode in {"1", "L", "P", "RGB"}:
        return image
    if image.mode in {"CMYK", "YCbCr", "LAB", "HSV", "RGBX"}:
        return image.convert("RGB")
    raise ValueError(f"mode {image.mode}")


def _is_lossy(image: Image.Image, path: Path) -> bool:
    if image.format == "WEBP":
        with path.open("rb") as file:
            return b"VP8L" not in file.read(64)
    if image.format == "TIFF":
        return image.info.get("compression") in {"jpeg", "tiff_jpeg"}
    return image.format in _LOSSY


def _jpeg(image: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    image.convert("L" if image.mode == "L" else "RGB").save(file, "JPEG", quality=quality)
    return file.getvalue()
