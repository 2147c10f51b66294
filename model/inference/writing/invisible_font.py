"""A font without shapes, for text that is found, marked and copied but never seen."""

from importlib.resources import files

import pydyf

FONT_NAME = "Text"
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

    def characters(self) -> list[tuple[int, str]]:
        return [(code, character) for character, code in self._codes.items()]

    def _code(self, character: str) -> int:
        if len(self._codes) >= _MAX_CODES:
            return self._codes.get(character, _UNKNOWN)
        return self._codes.setdefault(character, len(self._codes) + 1)


def add_font(pdf: pydyf.PDF, font: pydyf.Dictionary, codes: Codes) -> None:
    """Complete `font`, already an object of `pdf`, for the characters that were encoded."""
    font.update(
        {
            "Type": "/Font",
            "Subtype": "/Type0",
            "BaseFont": "/Glyphless",
            "Encoding": "/Identity-H",
            "DescendantFonts": pydyf.Array([_reference(pdf, _descendant(pdf))]),
            "ToUnicode": _reference(pdf, _to_unicode(codes)),
        }
    )


def _descendant(pdf: pydyf.PDF) -> pydyf.Dictionary:
    return pydyf.Dictionary(
        {
            "Type": "/Font",
            "Subtype": "/CIDFontType2",
            "BaseFont": "/Glyphless",
            "CIDSystemInfo": "<</Registry (Adobe) /Ordering (Identity) /Supplement 0>>",
            "DW": int(GLYPH_WIDTH * 1000),
            "CIDToGIDMap": _reference(pdf, _every_code_is_blank()),
            "FontDescriptor": _reference(pdf, _descriptor(pdf)),
        }
    )


def _descriptor(pdf: pydyf.PDF) -> pydyf.Dictionary:
    return pydyf.Dictionary(
        {
            "Type": "/FontDescriptor",
            "FontName": "/Glyphless",
            "Flags": 4,
            "FontBBox": pydyf.Array([0, -200, 500, 800]),
            "ItalicAngle": 0,
            "Ascent": 800,
            "Descent": -200,
            "CapHeight": 800,
            "StemV": 80,
            "FontFile2": _reference(pdf, pydyf.Stream([_FONT_FILE.read_bytes()], compress=True)),
        }
    )


def _every_code_is_blank() -> pydyf.Stream:
    return pydyf.Stream([_BLANK_GLYPH * 65_536], compress=True)


def _to_unicode(codes: Codes) -> pydyf.Stream:
    lines = [_CMAP_HEAD]
    characters = codes.characters()
    for start in range(0, len(characters), _CMAP_GROUP):
        group = characters[start : start + _CMAP_GROUP]
        lines.append(f"{len(group)} beginbfchar")
        lines += [f"<{code:04X}> <{_utf16(character)}>" for code, character in group]
        lines.append("endbfchar")
    lines.append(_CMAP_END)
    return pydyf.Stream(["\n".join(lines)], compress=True)


def _utf16(character: str) -> str:
    return character.encode("utf-16-be").hex().upper()


def _reference(pdf: pydyf.PDF, object_: pydyf.Object) -> bytes:
    pdf.add_object(object_)
    reference: bytes = object_.reference
    return reference
