"""Removing the text that an earlier OCR left in a page: two texts on top of each other are found
twice, and marked as neither."""

import re

import pikepdf
from pikepdf import Dictionary, Name, Page, Pdf

_HIDES = re.compile(rb"(?<![\d.])3(?:\.0*)?\s+Tr\b")
_SHOWS_TEXT = {"Tj", "TJ", "'", '"'}
_INVISIBLE = 3
_MAX_DEPTH = 5
_MAX_CONTENT_BYTES = 20_000_000


def remove_hidden_text(pdf: Pdf, page: Page) -> None:
    """From the page, and from the forms that it draws, what is drawn as invisible."""
    content = _content(page)
    if _HIDES.search(content):
        page.obj.Contents = pdf.make_stream(_without(page.obj))
    _clean_forms(page.obj, set(), _MAX_DEPTH)


def _clean_forms(holder: pikepdf.Object, seen: set[tuple[int, int]], depth: int) -> None:
    resources = holder.get(Name.Resources, Dictionary())
    for item in resources.get(Name.XObject, Dictionary()).as_dict().values():
        is_form = isinstance(item, pikepdf.Stream) and item.get(Name.Subtype) == Name.Form
        if not is_form or item.objgen in seen or not depth:
            continue
        seen.add(item.objgen)
        content = item.read_bytes()
        if len(content) <= _MAX_CONTENT_BYTES and _HIDES.search(content):
            item.write(_without(item))
        _clean_forms(item, seen, depth - 1)


def _content(page: Page) -> bytes:
    contents = page.obj.get(Name.Contents)
    if contents is None:
        return b""
    streams = contents.as_list() if isinstance(contents, pikepdf.Array) else [contents]
    content = b"\n".join(stream.read_bytes() for stream in streams)
    return content if len(content) <= _MAX_CONTENT_BYTES else b""


def _without(holder: pikepdf.Object) -> bytes:
    kept, mode, saved = [], 0, list[int]()
    for instruction in pikepdf.parse_content_stream(holder):
        operator = str(instruction.operator)
        if operator == "Tr" and instruction.operands:
            mode = int(instruction.operands[0])
        elif operator == "q":
            saved.append(mode)
        elif operator == "Q" and saved:
            mode = saved.pop()
        if mode != _INVISIBLE or operator not in _SHOWS_TEXT:
            kept.append(instruction)
    if not kept:
        return b""
    return pikepdf.unparse_content_stream(kept)
