"""Forms that only Adobe Acrobat shows (XFA): for others there is one page that says to wait."""

import re

import pypdfium2
import pypdfium2.raw as pdfium

_LONGEST = 3000
_PLACEHOLDER = re.compile(
    r"please\s+wait|if\s+this\s+message\s+is\s+not|later\s+version\s+of\s+the\s+PDF\s+viewer"
    r"|(?:requires|need|upgrade).{0,80}\b(?:adobe|acrobat|reader)|bitte\s+warten"
    r"|veuillez\s+(?:patienter|attendre)|espere|attendere|aguarde|even\s+geduld|een\s+ogenblik"
    r"|vänta|vent\s+venligst|odota|proszę\s+czekać|čekejte|подождите|お待ちください|请稍候|adobe\.com",
    re.IGNORECASE | re.DOTALL,
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
        text = page.get_textpage()
    except pypdfium2.PdfiumError:
        return ""
    with page, text:
        return text.get_text_range() if 0 < text.count_chars() <= _LONGEST else ""
