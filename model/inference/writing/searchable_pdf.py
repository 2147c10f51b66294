"""searchable.pdf: the page images with their text, invisible, on top."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import cv2
import pydyf

from ..reading.reading import POINTS_PER_INCH, Page
from .invisible_font import Codes, add_font
from .invisible_text import show_text

_JPEG_QUALITY = 75


@contextmanager
def searchable_pdf(path: Path) -> Iterator[Callable[[Page], None]]:
    """Pages have the size that their pixels have at their dpi.

    What fills a page (image and text) waits in a file beside `path` until the PDF's end is known.
    """
    # pydyf numbers and keeps all objects until the end; what is large in them waits on disk.
    spool_path = path.with_name(f"{path.name}.spool")
    with spool_path.open("w+b") as spool:
        assembly = _Assembly(spool)
        yield assembly.add
        with path.open("wb") as file:
            assembly.finish(file)
    spool_path.unlink()


class _Spooled(pydyf.Object):  # type: ignore[misc]  # pydyf has no types
    """A PDF object whose bytes are read from the spool when they are written out."""

    def __init__(self, spool: BinaryIO, content: bytes) -> None:
        super().__init__()
        self._spool = spool
        self._start = spool.tell()
        self._size = spool.write(content)

    @property
    def data(self) -> bytes:
        self._spool.seek(self._start)
        return self._spool.read(self._size)


class _Assembly:
    """The PDF in the making."""

    def __init__(self, spool: BinaryIO) -> None:
        self._spool = spool
        self._pdf = pydyf.PDF()
        self._font = pydyf.Dictionary()
        self._pdf.add_object(self._font)
        self._codes = Codes()

    def add(self, page: Page) -> None:
        scale = POINTS_PER_INCH / page.image.dpi
        width, height = page.image.size
        image = self._add_spooled(_jpeg(page))
        content = self._add_spooled(_content(page, self._codes, scale))
        self._pdf.add_page(
            pydyf.Dictionary(
                {
                    "Type": "/Page",
                    "Parent": self._pdf.pages.reference,
                    "MediaBox": pydyf.Array([0, 0, float(width), float(height)]),
                    "Contents": content.reference,
                    "Resources": pydyf.Dictionary(
                        {
                            "XObject": pydyf.Dictionary({"Image": image.reference}),
                            "Font": pydyf.Dictionary({"Text": self._font.reference}),
                        }
                    ),
                }
            )
        )

    def finish(self, file: BinaryIO) -> None:
        add_font(self._pdf, self._font, self._codes)
        self._pdf.write(file)

    def _add_spooled(self, stream: pydyf.Stream) -> _Spooled:
        spooled = _Spooled(self._spool, stream.data)
        self._pdf.add_object(spooled)
        return spooled


def _jpeg(page: Page) -> pydyf.Stream:
    _, jpeg = cv2.imencode(".jpg", page.image.pixels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return pydyf.Stream(
        [jpeg.tobytes()],
        {
            "Type": "/XObject",
            "Subtype": "/Image",
            "Width": page.width,
            "Height": page.height,
            "ColorSpace": "/DeviceRGB",
            "BitsPerComponent": 8,
            "Filter": "/DCTDecode",
        },
    )


def _content(page: Page, codes: Codes, scale: float) -> pydyf.Stream:
    stream = pydyf.Stream(compress=True)
    stream.push_state()
    width, height = page.image.size
    stream.set_matrix(width, 0, 0, height, 0, 0)
    stream.draw_x_object("Image")
    stream.pop_state()
    show_text(stream, page, codes, scale=scale)
    return stream
