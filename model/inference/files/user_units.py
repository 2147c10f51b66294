"""How large a PDF's unit is on each of its pages: a drawing of many metres is in units of its own.

PDFium, which draws the pages, leaves that out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path

import pikepdf

_BLOCK_BYTES = 1 << 20
_SIGNS = (b"/UserUnit", b"/ObjStm")
"""What is in the file of a PDF that has a unit of its own, in the open or packed."""


class UserUnits:
    def __init__(self, pdf: pikepdf.Pdf | None) -> None:
        self._pdf = pdf

    def of(self, number: int) -> float:
        """In 1/72 inch, that of page `number`, counted from 1; 1 where it says none that can be."""
        if self._pdf is None:
            return 1.0
        try:
            unit = float(self._pdf.pages[number - 1].obj.get("/UserUnit", 1))
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - a page that PDFium repairs may be anything here
            return 1.0
        return unit if isfinite(unit) and unit > 0 else 1.0


@contextmanager
def open_user_units(path: Path, password: str | None) -> Iterator[UserUnits]:
    """Those of a PDF that PDFium opens; 1 each where it is too damaged to say."""
    if not _may_have_some(path):
        yield UserUnits(None)
        return
    try:
        pdf = pikepdf.open(path, password=password or "", suppress_warnings=True)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - what PDFium repairs may be anything here
        yield UserUnits(None)
        return
    with pdf:
        yield UserUnits(pdf)


def _may_have_some(path: Path) -> bool:
    longest = max(map(len, _SIGNS))
    before = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            if any(sign in before + block for sign in _SIGNS):
                return True
            before = block[-longest:]
    return False
