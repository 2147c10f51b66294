"""Forms that only Adobe Acrobat shows (XFA): for others there is one page that says to wait."""

import re
from contextlib import closing

import pypdfium2
import pypdfium2.raw as pdfium

_LONGEST = 1500
_PLACEHOLDER = re.compile(
    r"\A\W*(?:please\s+wait|bitte\s+warten|veuillez\s+(?:patienter|attendre)|un\s+momento"
    r"|(?:por\s+favor,?\s+)?espere|attendere|aguarde|een\s+ogenblik|even\s+geduld|vänta"
    r"|vent\s+venligst|odota|proszę\s+czekać|čekejte|подождите|пожалуйста|お待ちください|请稍候|请等待)"
    r"|if\s+this\s+message\s+is\s+not\s+eventually\s+replaced"
    r"|later\s+version\s+of\s+the\s+pdf\s+viewer|upgrade\s+to\s+the\s+latest\s+version\s+of\s+adobe"
    r"|(?:requires|need)\s+(?:a\s+(?:newer|later)\s+version\s+of\s+)?(?:adobe|acrobat)\b",
    re.IGNORECASE,
)


def is_only_for_acrobat(pdf: pypdfium2.PdfDocument) -> bool:
    """Whether what such a form shows is not in its pages, which are there already."""
    match pdf.get_formtype():
        case pdfium.FORMTYPE_XFA_FULL:
            return True
        case pdfium.FORMTYPE_XFA_FOREGROUND if len(pdf) == 1:
            return _PLACEHOLDER.search(_text(pdf)) is not None
        case _:
            return False


def _text(pdf: pypdfium2.PdfDocument) -> str:
    """That of the first page; nothing where there is more than a placeholder has."""
    try:
        page = pdf[0]
        with closing(page), closing(page.get_textpage()) as text:
            return str(text.get_text_range()) if 0 < text.count_chars() <= _LONGEST else ""
    except pypdfium2.PdfiumError:
        return ""
