"""Reads documents with the inference of a checkout, in a process of its own.

`python reader.py CHECKOUT`, by that checkout's Python. A request a line on standard input: {"path",
"dpi"}; an answer a line: {"text", "seconds", "page_seconds", "resident", "warnings"}, or {"error"}.
Imports nothing of the bench, so that it runs with an older checkout too.
"""

import json
import os
import re
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any


def main(checkout: Path) -> None:
    sys.path.insert(0, str(checkout))
    from model.inference import load  # noqa: PLC0415

    model = load({}, checkout / "data")
    answer: dict[str, Any] = {"ready": True}
    while True:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            return
        answer = _read(model, **json.loads(line))


def _read(model: Any, *, path: str, dpi: int) -> dict[str, Any]:
    from model.inference import Request  # noqa: PLC0415

    request = Request.model_validate({"document": {"base64": "-"}, "dpi": dpi})
    request.document.put_at(Path(path), kept_by=None)
    resident = Resident()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as directory, resident:
        try:
            outputs = model.run(request, Path(directory))
        except Exception as error:  # noqa: BLE001 (told to the bench, which goes on)
            return {"error": f"{type(error).__name__}: {error}"}
        seconds = time.perf_counter() - started
        text = outputs.files["text.txt"].read_text("utf-8")
        pages = json.loads(outputs.files["document.json"].read_text("utf-8"))["pages"]
    return {
        "text": text,
        "seconds": seconds,
        "page_seconds": [sum(page["timings_ms"].values()) / 1000 for page in pages],
        "resident": resident.samples,
        "warnings": outputs.result.get("warnings", []),
    }


class Resident:
    """The mebibytes that this process and its children hold, each second and at the end."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, float]] = []
        self._started = time.perf_counter()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self._add()

    def _sample(self) -> None:
        while not self._is_over.wait(1):
            self._add()

    def _add(self) -> None:
        me = os.getpid()
        children = Path(f"/proc/{me}/task/{me}/children").read_text("ascii").split()
        seconds = time.perf_counter() - self._started
        self.samples.append((seconds, sum(map(_mebibytes, [str(me), *children]))))


def _mebibytes(pid: str) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return 0.0  # a child that has just ended
    match = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(match[1]) / 1024 if match else 0.0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
