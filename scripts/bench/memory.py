"""How much memory a document takes, by its number of pages."""

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pypdfium2

from model.inference import Request, load
from model.request import DOCUMENT

DATA = Path(__file__).parent.parent.parent / "data"
SHORT, LONG = 4, 200
ARTIFACTS = ["document.json", "text.txt", "lines.csv", "searchable.pdf", "pages"]


def measure() -> str:
    """The peak memory of fresh processes that each read one document, all artifacts wanted."""
    with TemporaryDirectory() as directory:
        peaks = [peak_mebibytes(count, Path(directory)) for count in (SHORT, LONG)]
    return (
        f"{SHORT:>4} pages  {peaks[0]:>5} MiB peak\n"
        f"{LONG:>4} pages  {peaks[1]:>5} MiB peak\n"
        f"difference  {peaks[1] - peaks[0]:>5} MiB\n"
    )


def read_document(path: str) -> str:
    """Read one document in this process; its peak memory in MiB."""
    model = load({}, DATA)
    request = Request.model_validate({"document": {"base64": "-"}, "artifacts": ARTIFACTS})
    with TemporaryDirectory() as directory:
        (Path(directory) / DOCUMENT).symlink_to(path)
        model.run(request, Path(directory))
    return str(_high_water_mark())


def make_document(pages: int, path: Path) -> None:
    """The minutes' pages over and over."""
    with (
        pypdfium2.PdfDocument(DATA / "examples" / "minutes.pdf") as source,
        pypdfium2.PdfDocument.new() as target,
    ):
        target.import_pages(source, [place % len(source) for place in range(pages)])
        target.save(path)


def peak_mebibytes(pages: int, directory: Path) -> int:
    """Of a fresh process that reads `pages` pages; their PDF is made in `directory`."""
    path = directory / f"{pages}.pdf"
    make_document(pages, path)
    command = [sys.executable, "-m", "scripts.bench", "memory-of", str(path)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _high_water_mark() -> int:
    # Unlike getrusage, it starts anew when a process starts.
    status = Path("/proc/self/status").read_text("ascii")
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(match[1]) // 1024 if match else 0
