"""Makes `model/inference/writing/glyphless.ttf`: `python -m scripts.make_glyphless_font`.

The font of the searchable PDF's invisible text. Its one glyph beside `.notdef` is a line from the
bottom left to the top right of its box: it has an extent, so that readers can mark it, and no area.
"""

from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

FONT = Path(__file__).parent.parent / "model" / "inference" / "writing" / "glyphless.ttf"
WIDTH, ASCENT, DESCENT = 500, 800, -200
MADE_AT = 3_900_000_000  # seconds since 1904: a fixed time, so that equal fonts are equal files


def main() -> None:
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "blank"])
    builder.setupCharacterMap({0x20: "blank"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "blank": _diagonal()})
    builder.setupHorizontalMetrics({".notdef": (WIDTH, 0), "blank": (WIDTH, 0)})
    builder.setupHorizontalHeader(ascent=ASCENT, descent=DESCENT)
    builder.setupNameTable(
        {"familyName": "Glyphless", "styleName": "Regular", "psName": "Glyphless"}, mac=False
    )
    builder.setupOS2(
        sTypoAscender=ASCENT, sTypoDescender=DESCENT, usWinAscent=ASCENT, usWinDescent=-DESCENT
    )
    builder.setupPost()
    builder.updateHead(created=MADE_AT, modified=MADE_AT)
    builder.font.recalcTimestamp = False
    builder.save(FONT)


def _diagonal() -> object:
    pen = TTGlyphPen(None)
    pen.moveTo((0, DESCENT))
    pen.lineTo((WIDTH, ASCENT))
    pen.closePath()
    return pen.glyph()


if __name__ == "__main__":
    main()
