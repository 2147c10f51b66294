"""A font without shapes, for text that is found, marked and copied but never seen."""

from collections.abc import Sequence
from importlib.resources import files

import pikepdf
from pikepdf import Array, Dictionary, Name

FONT_NAME = "/OutboxText"
"""What a page's resources call it."""

GLYPH_WIDTH = 0.5
"""How far each character moves on, as a part of the font's size."""

# Made by scripts.make_glyphless_font. Its second glyph stands for every character: it has an
# extent, so that readers can mark it, and no area.
_FONT_FILE = files(__package__) / "glyphless.ttf"
_BLANK_GLYPH = (1).to_bytes(2, "big")
_MAX_CODES = 65_000
_UNKNOWN = 0
_CMAP_GROUP = 100  # as many mappings as one section of a CMap may have
_CMAP_HEAD = """/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <FFFF>
endcodespacerange"""
_CMAP_END = """endcmap
CMapName currentdict /CMap defineresource pop
end
end"""


class Codes:
    """The font's code for each character, given out as they come up."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def encode(self, text: str) -> str:
        """A PDF string: hexadecimal, two bytes for a character."""
        return "<" + "".join(f"{self._code(character):04X}" for character in text) + ">"

    def characters(self) -> list[str]:
        """That of code 1, of code 2 and so on."""
        return list(self._codes)

    def _code(self, character: str) -> int:
        if len(self._codes) >= _MAX_CODES:
            return self._codes.get(character, _UNKNOWN)
        return self._codes.setdefault(character, len(self._codes) + 1)


def make_font(pdf: pikepdf.Pdf, characters: Sequence[str]) -> pikepdf.Object:
    """The font, an object of `pdf`, for the characters that were encoded."""
    font = Dictionary(
        Type=Name.Font,
        Subtype=Name.Type0,
        BaseFont=Name.Glyphless,
        Encoding=Name("/Identity-H"),
        DescendantFonts=Array([pdf.make_indirect(_descendant(pdf))]),
        ToUnicode=pdf.make_stream(_to_unicode(characters)),
    )
    return pdf.make_indirect(font)


def _descendant(pdf: pikepdf.Pdf) -> Dictionary:
    return Dictionary(
        Type=Name.Font,
        Subtype=Name.CIDFontType2,
        BaseFont=Name.Glyphless,
        CIDSystemInfo=Dictionary(
            Registry=pikepdf.String("Adobe"), Ordering=pikepdf.String("Identity"), Supplement=0
        ),
        DW=int(GLYPH_WIDTH * 1000),
        CIDToGIDMap=pdf.make_stream(_BLANK_GLYPH * 65_536),
        FontDescriptor=pdf.make_indirect(_descriptor(pdf)),
    )


def _descriptor(pdf: pikepdf.Pdf) -> Dictionary:
    return Dictionary(
        Type=Name.FontDescriptor,
        FontName=Name.Glyphless,
        Flags=4,
        FontBBox=Array([0, -200, 500, 800]),
        ItalicAngle=0,
        Ascent=800,
        Descent=-200,
        CapHeight=800,
        StemV=80,
        FontFile2=pdf.make_stream(_FONT_FILE.read_bytes()),
    )


def _to_unicode(characters: Sequence[str]) -> bytes:
    lines = [_CMAP_HEAD]
    for start in range(0, len(characters), _CMAP_GROUP):
        group = characters[start : start + _CMAP_GROUP]
        lines.append(f"{len(group)} beginbfchar")
        lines += [
            f"<{code:04X}> <{_utf16(character)}>"
            for code, character in enumerate(group, start=start + 1)
        ]
        lines.append("endbfchar")
    lines.append(_CMAP_END)
    return "\n".join(lines).encode("ascii")


def _utf16(character: str) -> str:
    return character.encode("utf-16-be").hex().upper()
