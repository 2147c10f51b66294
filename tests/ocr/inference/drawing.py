"""PDFs drawn for a test: text as a program sets it, pictures as a scanner does."""

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pikepdf
from pikepdf import Array, Dictionary, Name, Pdf
from PIL import Image

LETTER = "Dear Ms Tate, the harbour office will be closed on Friday for repairs."
SENTENCES = [
    LETTER,
    "Please send the signed papers to the address below before noon.",
    "We regret that the usual ferry cannot take any lorries until Monday.",
]
SIZE = (420, 300)


def text(*lines: str, x: float = 30, y: float = 250, size: float = 11, mode: int = 0) -> str:
    """Content that shows lines in Helvetica, one below the other."""
    shown = " ".join(f"({line}) Tj T*" for line in lines)
    return f"BT {mode} Tr /F {size} Tf {size * 1.5} TL {x} {y} Td {shown} ET"


def picture(width: float, height: float, x: float = 0, y: float = 0) -> str:
    """Content that shows the picture of the page."""
    return f"q {width} 0 0 {height} {x} {y} cm /Picture Do Q"


def document(
    *contents: str,
    size: tuple[float, float] = SIZE,
    image: Image.Image | None = None,
    font: Callable[[Pdf], Any] | None = None,
    change: Callable[[Pdf], None] | None = None,
    **options: Any,
) -> bytes:
    """A page for each content. `font` makes another than Helvetica; `change` is called last."""
    with Pdf.new() as pdf:
        helvetica = Dictionary(
            Type=Name.Font,
            Subtype=Name.Type1,
            BaseFont=Name.Helvetica,
            Encoding=Name.WinAnsiEncoding,
        )
        fonts = Dictionary(F=pdf.make_indirect(font(pdf) if font else helvetica))
        resources = Dictionary(Font=fonts)
        if image is not None:
            resources.XObject = Dictionary(Picture=_picture(pdf, image))
        for content in contents:
            page = pdf.add_blank_page(page_size=size)
            page.obj.Resources = resources
            page.obj.Contents = pdf.make_stream(content.encode("cp1252"))
        if change is not None:
            change(pdf)
        file = io.BytesIO()
        pdf.save(file, **options)
    return file.getvalue()


def blocks_font(letters: str, *, meaning: Sequence[str] | None) -> Callable[[Pdf], Any]:
    """A font that draws a black block for each of `letters`; it says what they mean, or nothing."""

    def make(pdf: Pdf) -> Any:
        names = [f"/g{ord(letter)}" for letter in letters]
        glyph = pdf.make_stream(b"600 0 50 0 550 700 d1 50 0 500 300 re 50 400 300 300 re f")
        font = Dictionary(
            Type=Name.Font,
            Subtype=Name.Type3,
            FontBBox=[0, 0, 600, 700],
            FontMatrix=[0.001, 0, 0, 0.001, 0, 0],
            FirstChar=0,
            LastChar=255,
            Widths=Array([600] * 256),
            CharProcs=Dictionary(dict.fromkeys(names, glyph)),
            Encoding=Dictionary(
                Differences=Array(
                    [
                        part
                        for letter, name in zip(letters, names, strict=True)
                        for part in (ord(letter), Name(name))
                    ]
                )
            ),
            Resources=Dictionary(),
        )
        if meaning is not None:
            font.ToUnicode = pdf.make_stream(_to_unicode(letters, meaning))
        return font

    return make


def form(*sentences: str) -> bytes:
    """Sentences with a field below that was filled in, and has no appearance of its own."""

    def add_field(pdf: Pdf) -> None:
        helvetica = pdf.pages[0].obj.Resources.Font.F
        field = pdf.make_indirect(
            Dictionary(
                Type=Name.Annot,
                Subtype=Name.Widget,
                FT=Name.Tx,
                T="name",
                V="Marigold Tate",
                DA="/Helv 14 Tf 0 g",
                Rect=[30, 60, 260, 90],
                F=4,
            )
        )
        pdf.pages[0].obj.Annots = Array([field])
        pdf.Root.AcroForm = Dictionary(
            Fields=[field], DR=Dictionary(Font=Dictionary(Helv=helvetica)), NeedAppearances=True
        )

    return document(text(*sentences), change=add_field)


def photo(width: int = 300, height: int = 200) -> Image.Image:
    """Something soft, with edges, and no letters."""
    y, x = np.mgrid[0:height, 0:width]
    values = 128 + 60 * np.sin(x / 37) * np.cos(y / 23) + 40 * ((x - 150) ** 2 + y**2 < 90**2)
    noise = np.random.default_rng(1).normal(0, 6, values.shape)
    return Image.fromarray((values + noise).clip(0, 255).astype(np.uint8)).convert("RGB")


def _picture(pdf: Pdf, image: Image.Image) -> Any:
    file = io.BytesIO()
    image.convert("RGB").save(file, "JPEG", quality=92)
    stream = pikepdf.Stream(pdf, file.getvalue())
    stream.Type, stream.Subtype = Name.XObject, Name.Image
    stream.Width, stream.Height = image.size
    stream.ColorSpace, stream.BitsPerComponent = Name.DeviceRGB, 8
    stream.Filter = Name.DCTDecode
    return pdf.make_indirect(stream)


def _to_unicode(letters: str, meaning: Sequence[str]) -> bytes:
    lines = [
        f"<{ord(letter):02X}> <{meant.encode('utf-16-be').hex()}>"
        for letter, meant in zip(letters, meaning, strict=True)
    ]
    return (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def"
        " /CMapType 2 def 1 begincodespacerange <00> <FF> endcodespacerange"
        f" {len(lines)} beginbfchar {' '.join(lines)} endbfchar endcmap end end"
    ).encode()
