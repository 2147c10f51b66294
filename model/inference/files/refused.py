"""What to do with a file of a kind that is not read: a refusal with the remedy for that kind."""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from truss_outbox.contract.errors import InvalidInputError

from .kinds import READ_FORMATS, brands_of, container_of, head_of

_PRINT = "save it as PDF, or print it to one, and send that"
_UNPACK = "send what is in it, each document in a request of its own"
_AS_JPEG = "save it as JPEG or PNG, and send that"

_IN_ZIP: Mapping[str, str] = MappingProxyType(
    {
        "word/": f"is a Word document (DOCX); {_PRINT}",
        "xl/": f"is an Excel workbook (XLSX); {_PRINT}",
        "ppt/": f"is a PowerPoint presentation (PPTX); {_PRINT}",
        "Index/": f"is a document of Pages, Numbers or Keynote; {_PRINT}",
        "Documents/": f"is an XPS document; {_PRINT}",
        "META-INF/container.xml": f"is an e-book (EPUB); {_PRINT}",
        "content.xml": f"is an OpenDocument file (ODT, ODS or ODP); {_PRINT}",
    }
)
_IN_OLE: Mapping[str, str] = MappingProxyType(
    {
        "__substg1.0_": f"is an e-mail of Outlook (MSG); {_UNPACK}",
        "EncryptedPackage": f"is an Office document with a password; open it with that, {_PRINT}",
        "WordDocument": f"is a Word document (DOC); {_PRINT}",
        "Workbook": f"is an Excel workbook (XLS); {_PRINT}",
        "PowerPoint Document": f"is a PowerPoint presentation (PPT); {_PRINT}",
    }
)
_CONTAINERS: Mapping[str, str] = MappingProxyType(
    {
        "gzip": f"is a gzip archive; {_UNPACK}",
        "7z": f"is a 7z archive; {_UNPACK}",
        "rar": f"is a RAR archive; {_UNPACK}",
        "tar": f"is a tar archive; {_UNPACK}",
        "rtf": f"is a rich text document (RTF); {_PRINT}",
    }
)
_HEADS: tuple[tuple[bytes, str], ...] = (
    (b"%!PS", f"is PostScript; {_PRINT}"),
    (b"\xc5\xd0\xd3\xc6", f"is PostScript; {_PRINT}"),
    (b"%FDF-", "is the data of a PDF form without the form; send the PDF that was filled in"),
    (b"AT&TFORM", f"is a DjVu document; {_PRINT}"),
    (b"8BPS", f"is a Photoshop picture; {_AS_JPEG}"),
    (b"\0\0\1\0", f"is an icon; {_AS_JPEG}"),
    (b"\xff\x0a", f"is a JPEG XL picture; {_AS_JPEG}"),
    (b"\0\0\0\x0cJXL ", f"is a JPEG XL picture; {_AS_JPEG}"),
)
_TEXTS: tuple[tuple[bytes, str], ...] = (
    (rb"\A(?:From|Received|Return-Path|Delivered-To|MIME-Version): ", f"is an e-mail; {_UNPACK}"),
    (rb"<svg\b", f"is an SVG drawing; {_PRINT}"),
    (rb"<!doctype html|<html\b|<head\b|<body\b", f"is a web page; open it in a browser, {_PRINT}"),
    (rb"<\?xml", f"is XML; open it where it is shown, {_PRINT}"),
)
_TEXT_BYTES = 4096


def refusal_of(path: Path) -> InvalidInputError:
    """Why a file that is neither PDF nor an image is not read, and what to send in its place."""
    head = head_of(path)
    if not head:
        return InvalidInputError("document", "is empty; send a file that has content")
    return InvalidInputError("document", _of_container(path, head) or _of_head(head))


def _of_container(path: Path, head: bytes) -> str | None:
    match container_of(head):
        case "zip":
            return _of_zip(path)
        case "ole":
            return _of_ole(path)
        case "heif":
            return _of_brands(brands_of(head))
        case None:
            return None
        case name:
            return _CONTAINERS[name]


def _of_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeError):
        names = []  # cut off, or none after all
    for start, problem in _IN_ZIP.items():
        if any(name.startswith(start) for name in names):
            return problem
    return f"is a ZIP archive; {_UNPACK}"


def _of_ole(path: Path) -> str:
    with path.open("rb") as file:
        while block := file.read(1 << 24):
            for name, problem in _IN_OLE.items():
                if name.encode("utf-16-le") in block:
                    return problem
    return f"is an old Office document, or another compound file; {_PRINT}"


def _of_brands(brands: set[bytes]) -> str:
    heic = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
    if brands & heic:
        return (
            "is a HEIC picture; send it as JPEG (an iPhone takes JPEG with Settings > Camera >"
            " Formats > Most Compatible)"
        )
    return "is a video; send the pages as pictures"


def _of_head(head: bytes) -> str:
    for start, problem in _HEADS:
        if head.startswith(start):
            return problem
    text = _as_text(head[:_TEXT_BYTES])
    if text is not None:
        for pattern, problem in _TEXTS:
            if re.search(pattern, text, re.IGNORECASE):
                return problem
        return f"is neither {READ_FORMATS}, but plain text; use it as it is, or {_PRINT}"
    return f"is neither {READ_FORMATS}; convert it to one of them"


def _as_text(head: bytes) -> bytes | None:
    """Its ASCII, where it is text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.replace(b"\0", b"")
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    return head if control == 0 else None
