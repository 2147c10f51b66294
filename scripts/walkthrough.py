"""The demonstration: send the sample documents, fetch the results, compare them with the truth.

`python -m scripts.walkthrough [DIRECTORY]` starts what it needs, runs `outbox run` as a user would,
and ends everything, also when it is interrupted. A second run finds the results in the bucket: no
inference runs.
"""

import difflib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
from rich import box
from rich.console import Console
from rich.table import Column, Table

from local_baseten.running import LocalBaseten, running_locally, signals_held_back

PROJECT = Path(__file__).parent.parent
EXAMPLES = PROJECT / "data" / "examples"
ARTIFACTS = ["document.json", "text.txt", "lines.csv", "searchable.pdf", "pages"]
TOLERATED_CER = {"scanned-letter.pdf": 0.01, "photo.png": 0.01}
"""Character error rate allowed on the damaged documents; the others must be exact."""

_COUNTERS = ("outbox_results_stored_total", "outbox_inferences_skipped_total")
_COUNT_SECONDS = 10
_NUMBERS = ("pages", "seconds", "lines", "mean\nconfidence", "files")
_INTERRUPTED = 130
_NEXT = f"""
next: your own documents, by hand
  cd {PROJECT}
  .venv/bin/outbox serve . --bucket .outbox/bucket
and while that runs, in a second terminal
  cd {PROJECT}
  set -a; . .outbox/environment; set +a
  .venv/bin/outbox run data/examples/photo.png --job mine --to .outbox/results
  cat .outbox/results/photo.png/text.txt"""


@dataclass(frozen=True, kw_only=True, slots=True)
class DocumentResult:
    """What came back for one document."""

    document: str
    pages: int
    lines: int
    confidence: float
    seconds: float
    files: int
    character_error_rate: float

    @property
    def is_right(self) -> bool:
        return self.character_error_rate <= TOLERATED_CER.get(self.document, 0.0)


def main() -> int:
    """Show the demonstration; its exit code."""
    # scripts/demo keeps Ctrl-C for itself and passes it on as SIGTERM.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / ".outbox" / "demo"
    console = Console()
    try:
        return _demonstrate(directory, console)
    except KeyboardInterrupt:
        console.show_cursor()  # The companion's progress had hidden it.
        return _INTERRUPTED


def _demonstrate(directory: Path, console: Console) -> int:
    console.print("Starting the stand-in for Baseten, the real Truss server and a bucket ...")
    started = time.monotonic()
    documents = sorted(path for path in EXAMPLES.iterdir() if path.is_file())
    target = directory / "results"
    with running_locally(
        PROJECT,
        state_directory=directory / "state",
        bucket_directory=directory / "bucket",
        concurrency_target=2,
    ) as local:
        if code := _run_companion(local, documents, job=_job(documents), target=target):
            return code
        stored, skipped = _counted(local, len(documents))
    results = [_result(target / document.name) for document in documents]
    console.print(_table(results))
    console.print(f"Results: {target}\nBucket:  {directory / 'bucket'}", soft_wrap=True)
    console.print(
        f"{stored} inferences run, {skipped} skipped because their results were there already\n"
        f"{time.monotonic() - started:.0f} seconds"
    )
    wrong = [result.document for result in results if not result.is_right]
    if wrong:
        console.print(f"Not the text of the document: {', '.join(wrong)}", style="red")
        return 1
    console.print(_NEXT, soft_wrap=True, highlight=False)
    return 0


def _run_companion(local: LocalBaseten, documents: list[Path], *, job: str, target: Path) -> int:
    command = [
        *(sys.executable, "-m", "outbox_client", "run", *map(str, documents)),
        *("--job", job, "--to", str(target), "--label", "source=demo"),
        *("--set", f"artifacts={json.dumps(ARTIFACTS)}"),
    ]
    home = {"OUTBOX_HOME": str(target.parent / "journal")}
    environment = {**os.environ, **local.environment, **home}
    with signals_held_back():
        companion = subprocess.Popen(command, env=environment, cwd=PROJECT)
    try:
        return companion.wait()
    finally:
        companion.kill()


def _job(documents: list[Path]) -> str:
    """Changed documents are another job: results are never overwritten."""
    digest = hashlib.sha256()
    for path in documents:
        digest.update(path.read_bytes())
    return f"demo-{digest.hexdigest()[:8]}"


def _counted(local: LocalBaseten, requests: int) -> tuple[int, int]:
    """Inferences run and skipped, once every request was answered."""
    deadline = time.monotonic() + _COUNT_SECONDS
    while True:
        # A result that was there already shows before the request for it was looked at.
        stored, skipped = (_metric(local, name) for name in _COUNTERS)
        if stored + skipped >= requests or time.monotonic() > deadline:
            return stored, skipped
        time.sleep(0.1)


def _metric(local: LocalBaseten, name: str) -> int:
    """A counter of the model's own `/metrics`."""
    running = local.processes()
    url = f"{running.model_url}/metrics"
    page = httpx.get(url, headers=running.model_headers, follow_redirects=True).text
    return int(
        sum(float(line.split()[1]) for line in page.splitlines() if line.startswith(f"{name} "))
    )


def _result(folder: Path) -> DocumentResult:
    document = json.loads((folder / "document.json").read_text())
    manifest = json.loads((folder / "manifest.json").read_text())
    truth = (EXAMPLES / "truth" / folder.name).with_suffix(".txt").read_text()
    confidences = [line["confidence"] for page in document["pages"] for line in page["lines"]]
    return DocumentResult(
        document=folder.name,
        pages=len(document["pages"]),
        lines=len(confidences),
        confidence=sum(confidences) / max(len(confidences), 1),
        seconds=manifest["timings_ms"]["predict"] / 1000,
        files=len(manifest["artifacts"]),
        character_error_rate=_character_error_rate((folder / "text.txt").read_text(), truth),
    )


def _character_error_rate(text: str, truth: str) -> float:
    """Insertions, deletions and substitutions per character of the truth."""
    text, truth = text.strip(), truth.strip()
    steps = difflib.SequenceMatcher(None, text, truth, autojunk=False).get_opcodes()
    edits = sum(max(b - a, d - c) for step, a, b, c, d in steps if step != "equal")
    return edits / max(len(truth), 1)


def _table(results: list[DocumentResult]) -> Table:
    texts = [Column(name, no_wrap=True) for name in ("document", "text")]
    numbers = [Column(name, justify="right", no_wrap=True) for name in _NUMBERS]
    table = Table(*texts, *numbers, box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    for result in results:
        table.add_row(
            result.document,
            _judgement(result),
            str(result.pages),
            f"{result.seconds:.1f}",
            str(result.lines),
            f"{result.confidence:.3f}",
            str(result.files),
        )
    return table


def _judgement(result: DocumentResult) -> str:
    if result.character_error_rate == 0:
        return "exact"
    return f"CER {result.character_error_rate:.4f}" + ("" if result.is_right else ": wrong")


if __name__ == "__main__":
    sys.exit(main())
