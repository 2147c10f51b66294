"""The real inference, loaded once, and something small for it to read."""

import functools
import hashlib
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from model.inference import Request, load
from model.inference.reading.engine import Engine
from model.inference.reading.reading import Line, Pixels
from model.inference.settings import InferenceSettings, Quality
from tests.tiny_truss import PROJECT
from truss_outbox import Outputs

DATA = PROJECT / "data"
EXAMPLES = DATA / "examples"
ALL = ["document.json", "text.txt", "lines.csv", "searchable.pdf", "pages"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    outputs: Outputs

    def text(self) -> str:
        return self.outputs.files["text.txt"].read_text("utf-8")

    def lines(self) -> list[str]:
        return self.text().splitlines()

    def pages(self) -> list[dict[str, Any]]:
        return json.loads(self.outputs.files["document.json"].read_text("utf-8"))["pages"]


class RememberingEngine:
    """Reads each picture once: most tests are about what comes before and after."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._read: dict[tuple[object, ...], list[Line]] = {}

    def read(self, pixels: Pixels, quality: Quality = "accurate") -> list[Line]:
        picture = (pixels.shape, hashlib.sha256(pixels.tobytes()).hexdigest(), quality)
        if picture not in self._read:
            self._read[picture] = self._engine.read(pixels, quality)
        return list(self._read[picture])


Read = Callable[..., Result]
Example = Callable[[str], Result]


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def request_for(document: Path, **fields: Any) -> Request:
    """A request whose document is there already."""
    request = Request.model_validate({"document": {"base64": "-"}, **fields})
    request.document.put_at(document, kept_by=None)
    return request


@pytest.fixture(scope="session")
def inference():
    # One thread: more of them cost more processor time in all, which other tests wait for.
    return load({"threads": 1}, DATA)


@pytest.fixture(scope="session")
def remembering(inference):
    return type(inference)(RememberingEngine(inference._engine), InferenceSettings())


@pytest.fixture
def reader(tmp_path_factory) -> Callable[[Any], Read]:
    """Makes a `read` of an inference, for those with other settings than the defaults."""

    def reader_of(model: Any) -> Read:
        def read(document: bytes | Path, **fields: Any) -> Result:
            directory = tmp_path_factory.mktemp("work")
            path = directory / "document"
            if isinstance(document, Path):
                shutil.copy(document, path)
            else:
                path.write_bytes(document)
            return Result(outputs=model.run(request_for(path, **fields), directory))

        return read

    return reader_of


@pytest.fixture
def read(remembering, reader) -> Read:
    """Run a document, a file or bytes, through the inference; fields as a request has them."""
    return reader(remembering)


@pytest.fixture(scope="session")
def example(remembering, tmp_path_factory) -> Example:
    """A sample document's result, all artifacts, by its name; each is read once."""

    @functools.cache
    def read_example(name: str) -> Result:
        directory = tmp_path_factory.mktemp("example")
        request = request_for(EXAMPLES / name, artifacts=ALL)
        return Result(outputs=remembering.run(request, directory))

    return read_example
