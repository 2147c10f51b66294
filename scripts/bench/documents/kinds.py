"""The kinds of pages: each drawn anew, one after the other."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from . import damages
from .sheets import BOLD, CJK, MONO, NARROW, SANS, SERIF, Sheet, TestPage
from .texts import FOREIGN, LANGUAGES, prose, sentences

A4 = (595.0, 842.0)
_SIZES = (4, 5, 6, 7, 8, 10, 12, 16, 24, 36, 48, 72, 96, 144, 220)
_FORMATS = {
    "A6": (298, 420),
    "A5": (420, 595),
    "A4": (595, 842),
    "A3": (842, 1191),
    "A2": (1191, 1684),
    "A2 landscape": (1684, 1191),
    "A1": (1684, 2384),
    "A0": (2384, 3370),
    "A0 landscape": (3370, 2384),
}
_FONTS = (SANS, SERIF, NARROW, MONO)


def _sizes() -> Iterator[TestPage]:
    for number, size in enumerate(_SIZES):
        for dpi in (150, 300) if size < 6 else (150,):
            sheet = Sheet(width=A4[0], height=A4[1], dpi=dpi)
            text = prose(2000, seed=size) if size < 40 else "Harbour 1987 Mill Coal Ferry"
            truth, _ = sheet.flow(
                text, (50, 60), 495, size, font=_FONTS[number % 3], leading=1.3, most=14
            )
            yield sheet.page(f"{size} pt at {dpi} dpi", truth)


def _mixed_sizes() -> Iterator[TestPage]:
    for title, size, small in (("HARBOUR", 96, 8), ("SALE 50", 130, 7), ("No. 7", 180, 9)):
        sheet = Sheet(width=A4[0], height=A4[1])
        sheet.put(title, (40, 60), size, font=BOLD)
        below, _ = sheet.flow(prose(150, seed=size), (50, 500), 480, small)
        yield sheet.page(f"{size} pt over {small} pt", f"{title}\n{below}")


def _formats() -> Iterator[TestPage]:
    for number, (name, (width, height)) in enumerate(_FORMATS.items()):
        sheet = Sheet(width=width, height=height)
        lines = sentences(number)
        # One in each sixth of the page, each further to the right: nothing is beside another.
        said = [next(lines)[:34].strip() for _ in range(6)]
        for row, line in enumerate(said):
            left = 20 + (width - 290) * row / 6
            sheet.put(line, (left, 30 + (height - 60) * row / 6), 12, font=_FONTS[number % 3])
        yield sheet.page(name, "\n".join(said), pdf=number % 2 == 1)
    for name in ("A3", "A2"):
        width, height = _FORMATS[name]
        sheet = Sheet(width=width, height=height)
        truth, _ = sheet.flow(prose(9000, seed=width), (60, 60), width - 120, 14, most=24)
        yield sheet.page(f"{name}, full", truth)


def _receipts() -> Iterator[TestPage]:
    for pixels in (3000, 5859, 8000, 10_000):
        sheet = Sheet(width=290, height=pixels * 72 / 200, dpi=200)
        lines = ["HARBOUR STORES", "14 Mill Street"]
        goods = ("Oranges", "Brass fittings", "Coal 5 kg", "Candles", "Writing paper", "Lamp oil")
        while len(lines) * 15 + 40 < sheet.height:
            number = len(lines)
            lines.append(
                f"{number:03} {goods[number % 6]:<15} {number * 7 % 90 + 1}.{number % 10}5"
            )
        for number, line in enumerate(lines[:-2]):
            sheet.put(line, (20, 15 + number * 15), 10, font=MONO)
        yield sheet.page(f"{pixels} px", "\n".join(lines[:-2]))


def _panoramas() -> Iterator[TestPage]:
    for width, height, size in ((3000, 300, 24), (4000, 400, 16), (6000, 500, 14), (5000, 240, 40)):
        sheet = Sheet(width=width * 72 / 150, height=height * 72 / 150)
        text = prose(4 * width, seed=width)
        truth, _ = sheet.flow(text, (30, 20), sheet.width - 60, size, most=3)
        yield sheet.page(f"{width} x {height} px", truth)


def _columns() -> Iterator[TestPage]:
    for count in (1, 2, 3):
        for aligned in (True, False):
            for headed in (False, True):
                yield _in_columns(count, aligned=aligned, headed=headed)


def _in_columns(count: int, *, aligned: bool, headed: bool) -> TestPage:
    sheet = Sheet(width=A4[0], height=A4[1])
    said, top, gap = [], 60.0, 22.0
    if headed:
        said.append("The keeper of the second lighthouse")
        sheet.put(said[0], (50, top), 20, font=BOLD)
        top += 46
    width = (495 - gap * (count - 1)) / count
    for number in range(count):
        start = (50 + number * (width + gap), top + (0 if aligned else 9 * number))
        size = 10 if aligned else 10 + number % 2
        text = prose(3000, seed=10 * count + number)
        said.append(sheet.flow(text, start, width, size, font=SERIF, most=34 - number)[0])
    order = f"{count}, {'aligned' if aligned else 'not aligned'}{', headed' if headed else ''}"
    return sheet.page(order, "\n".join(said))


def _tables() -> Iterator[TestPage]:
    heads = ("Item", "Supplier", "Pieces", "Price", "Total")
    goods = ("Oranges", "Brass fittings", "Coal", "Lamp oil", "Writing paper", "Clock", "Candles")
    makers = ("Albright", "Mill & Sons", "Harbour Stores", "Leeds Ltd")
    for number, (ruled, rows, across) in enumerate(
        ((True, 8, 5), (False, 12, 5), (True, 20, 4), (False, 6, 3), (True, 5, 5))
    ):
        sheet = Sheet(width=A4[0], height=A4[1])
        table = [list(heads[:across])]
        for row in range(rows):
            pieces, price = row * 3 + number + 1, row * 1.5 + 2.25
            total = f"{pieces * price:.2f}"
            cells = [goods[row % 7], makers[row % 4], str(pieces), f"{price:.2f}", total]
            table.append(cells[:across])
        _draw_table(sheet, table, ruled=ruled)
        truth = "\n".join("\t".join(cells) for cells in table)
        yield sheet.page(f"{rows} x {across}{', ruled' if ruled else ''}", truth)


def _draw_table(sheet: Sheet, table: list[list[str]], *, ruled: bool) -> None:
    step, width = 24.0, 495 / len(table[0])
    for row, cells in enumerate(table):
        for column, text in enumerate(cells):
            place = (56 + column * width, 104 + row * step)
            sheet.put(text, place, 11, font=BOLD if row == 0 else NARROW)
    if not ruled:
        return
    bottom = 98 + step * len(table)
    for row in range(len(table) + 1):
        sheet.rule((50, 98 + row * step), (545, 98 + row * step))
    for column in range(len(table[0]) + 1):
        sheet.rule((50 + column * width, 98), (50 + column * width, bottom))


def _forms() -> Iterator[TestPage]:
    fields = (
        ("Name", "Margaret Albright"), ("Street", "14 Mill Street"), ("Town", "Leeds"),
        ("Postcode", "LS1 4AP"), ("Date of birth", "3 May 1961"), ("Telephone", "0113 496 0000"),
        ("Insured since", "1987"), ("Policy", "HX-20417"),
    )  # fmt: skip
    for number, dots in enumerate((False, True, False)):
        sheet = Sheet(width=A4[0], height=A4[1])
        sheet.put("Application form", (60, 60), 18, font=BOLD)
        said = ["Application form"]
        for row, (label, value) in enumerate(fields[number:]):
            level = 120 + row * 34
            sheet.put(f"{label}:", (60, level), 11, font=NARROW)
            sheet.put(value, (200, level), 11, font=MONO if number == 2 else SERIF)
            if not dots:
                sheet.rule((195, level + 16), (530, level + 16))
            said.append(f"{label}: {value}")
        yield sheet.page(f"{len(fields) - number} fields", "\n".join(said))


def _notes() -> Iterator[TestPage]:
    for number, side in enumerate(("right", "left", "right")):
        sheet = Sheet(width=A4[0], height=A4[1])
        left, beside = (50, 430) if side == "right" else (190, 45)
        body, _ = sheet.flow(prose(1500, seed=70 + number), (left, 80), 350, 11, font=SERIF)
        note, _ = sheet.flow("See the minutes of 4 May, page 12.", (beside, 130), 115, 8.5)
        yield sheet.page(f"in the {side} margin", f"{body}\n{note}", f"{note}\n{body}")
    for number in range(2):
        sheet = Sheet(width=A4[0], height=A4[1])
        body, _ = sheet.flow(prose(1500, seed=80 + number), (60, 80), 470, 11, font=SERIF)
        foot, _ = sheet.flow(f"1 {prose(120, seed=90 + number)}", (60, 730), 470, 8, font=SERIF)
        sheet.rule((60, 722), (200, 722))
        yield sheet.page(f"footnote {number + 1}", f"{body}\n{foot}")


def _languages() -> Iterator[TestPage]:
    for number, language in enumerate(LANGUAGES):
        sheet = Sheet(width=A4[0], height=A4[1])
        ideographic = language.tesseract.startswith(("chi", "jpn"))
        font = CJK if ideographic else (SANS, SERIF)[number % 2]
        truth, _ = sheet.flow(language.text, (60, 70), 470, 12, font=font)
        yield sheet.page(language.name, truth, language=language.tesseract)


def _foreign() -> Iterator[TestPage]:
    """Each clean and damaged."""
    for number, language in enumerate(FOREIGN):
        sheet = Sheet(width=A4[0], height=A4[1])
        truth, _ = sheet.flow(
            language.text, (60, 70), 470, 12 + number % 4, font=language.font or SANS
        )
        page = sheet.page(language.name, truth, language=language.tesseract)
        yield replace(page, readable=False)
        name, damage = list(damages.DAMAGES.items())[number % len(damages.DAMAGES)]
        image = damage(page.image, 1)
        yield replace(page, readable=False, image=image, name=f"{language.name}, {name}")


def _damages() -> Iterator[TestPage]:
    for number, (name, damage) in enumerate(damages.DAMAGES.items()):
        for strength in (1, 2):
            sheet = Sheet(width=A4[0], height=A4[1], dpi=150)
            text = prose(2500, seed=100 + number)
            truth, _ = sheet.flow(text, (70, 90), 455, 11, font=(SANS, SERIF)[number % 2], most=22)
            sheet.image = damage(sheet.image, strength)
            yield sheet.page(f"{name} {strength}", truth)


def _vertical() -> Iterator[TestPage]:
    texts = (
        (
            "吾輩は猫である。名前はまだ無い。",
            "どこで生れたかとんと見当がつかぬ。",
            "記憶している。",
        ),
        ("春はあけぼの。", "やうやう白くなりゆく山ぎは、", "すこしあかりて、", "紫だちたる雲。"),
    )
    for number, columns in enumerate(texts):
        sheet = Sheet(width=420, height=595)
        for place, column in enumerate(columns):
            for row, character in enumerate(column):
                at = (340 - place * 40, 50 + row * 24)
                # 、 and 。 are at the top right of their square where the text runs down.
                shift = (12, -12) if character in "、。" else (0, 0)
                sheet.put(character, (at[0] + shift[0], at[1] + shift[1]), 20, font=CJK)
        yield sheet.page(f"Japanese {number + 1}", "".join(columns), language="jpn_vert")


KINDS: Mapping[str, Callable[[], Iterator[TestPage]]] = {
    "sizes": _sizes,
    "mixed-sizes": _mixed_sizes,
    "formats": _formats,
    "receipts": _receipts,
    "panoramas": _panoramas,
    "columns": _columns,
    "tables": _tables,
    "forms": _forms,
    "notes": _notes,
    "languages": _languages,
    "foreign": _foreign,
    "damages": _damages,
    "vertical": _vertical,
}
