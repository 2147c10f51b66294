"""Another inference in the place of `model/inference/`: it counts words, and fails on request."""

import time
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

from truss_outbox import File, InferenceRequest, InvalidInputError, Outputs

GATE_SECONDS = 60


class Request(InferenceRequest):
    text: str = ""
    document: File | None = None
    gate: str | None = None
    """A directory: the inference makes `entered-…` in it, and waits for `open`."""
    error: str | None = None
    """What to raise: `input` or `inference`."""
    artifact_bytes: int | None = None


class WordCount:
    def run(self, request: Request, work_directory: Path) -> Outputs:
        if request.gate is not None:
            _wait(Path(request.gate))
        if request.error == "input":
            raise InvalidInputError("text", "has words this model cannot count")
        if request.error is not None:
            raise RuntimeError(f"could not count {request.text}")
        text = request.text
        if request.document is not None:
            text = request.document.path.read_text()
        files = {"words.txt": "\n".join(text.split()), "upper.txt": text.upper()}
        if request.artifact_bytes is not None:
            files["filler.bin"] = "x" * request.artifact_bytes
        for name, content in files.items():
            (work_directory / name).write_text(content)
        paths = {name: work_directory / name for name in files}
        return Outputs(result={"words": len(text.split())}, files=paths)


def load(settings: Mapping[str, JsonValue], data_directory: Path) -> WordCount:
    return WordCount()


def _wait(gate: Path) -> None:
    (gate / f"entered-{time.monotonic_ns()}").touch()
    deadline = time.monotonic() + GATE_SECONDS
    while not (gate / "open").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
