"""How much memory the Truss server takes, by a document's number of pages."""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pypdfium2

from local_baseten.running import LocalBaseten, running_locally

from .. import PROJECT
from ..measuring import peak_mebibytes

SHORT, LONG = 4, 200
ARTIFACTS = ["document.json", "text.txt", "lines.csv", "searchable.pdf", "pages"]


def measure() -> str:
    """The peak memory of fresh Truss servers that each read one document, all artifacts wanted."""
    short, long = peak_of_reading(SHORT), peak_of_reading(LONG)
    return (
        f"{SHORT:>4} pages  {short:>5.0f} MiB peak of the Truss server\n"
        f"{LONG:>4} pages  {long:>5.0f} MiB\n"
        f"difference  {long - short:>5.0f} MiB\n"
    )


def peak_of_reading(pages: int) -> float:
    """Mebibytes of a fresh Truss server that reads one document of so many pages."""
    with TemporaryDirectory() as name:
        directory = Path(name)
        document = directory / f"{pages}.pdf"
        _make_document(document, pages)
        with running_locally(
            PROJECT, state_directory=directory / "state", bucket_directory=directory / "bucket"
        ) as local:
            _read(document, local)
            return peak_mebibytes(local.processes().truss_server)


def _make_document(path: Path, pages: int) -> None:
    """The minutes' pages over and over."""
    with (
        pypdfium2.PdfDocument(PROJECT / "data" / "examples" / "minutes.pdf") as source,
        pypdfium2.PdfDocument.new() as target,
    ):
        target.import_pages(source, [place % len(source) for place in range(pages)])
        target.save(path)


def _read(document: Path, local: LocalBaseten) -> None:
    command = [
        *(sys.executable, "-m", "outbox_client", "run", str(document), "--job=memory", "--json"),
        *(f"--to={document.parent / 'results'}", "--set", f"artifacts={json.dumps(ARTIFACTS)}"),
    ]
    environment = {**os.environ, **local.environment, "OUTBOX_HOME": str(document.parent)}
    subprocess.run(command, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, check=True)
