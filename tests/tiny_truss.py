"""The project's own Truss with another inference in it: what a user makes who swaps the model."""

import shutil
from pathlib import Path

import yaml

PROJECT = Path(__file__).parent.parent


def ocr_is_here() -> bool:
    """Whether `model/inference/` is the OCR; its tests are left out where it was replaced."""
    return any(
        "rapidocr" in file.read_text() for file in (PROJECT / "model/inference").rglob("*.py")
    )


DECORATED = """
import tempfile
from pathlib import Path

from model import inference
from truss_outbox import Outputs, stored


@stored
class Model:
    def load(self):
        self._inference = inference.load({}, None)

    def predict(self, model_input: inference.Request):
        with tempfile.TemporaryDirectory() as directory:
            outputs = self._inference.run(model_input, Path(directory))
            files = {name: path.read_bytes() for name, path in outputs.files.items()}
        return Outputs(result=outputs.result, files=files)
"""
"""A model.py of somebody who knows nothing of the explicit form."""


def make_tiny_truss(
    directory: Path,
    *,
    inference: str = "tiny_inference",
    is_decorated: bool = False,
    **outbox: object,
) -> Path:
    """A copy of config.yaml and model/, its inference replaced by that of `tests/`.

    `outbox` are settings of `model_metadata.outbox`.
    """
    ignored = shutil.ignore_patterns("__pycache__", "inference")
    shutil.copytree(PROJECT / "model", directory / "model", ignore=ignored)
    shutil.copytree(
        PROJECT / "tests" / inference, directory / "model" / "inference", ignore=ignored
    )
    if is_decorated:
        (directory / "model" / "model.py").write_text(DECORATED)
    config = yaml.safe_load((PROJECT / "config.yaml").read_text())
    config["model_name"] = "tiny"
    # Its dependencies are a subset of the project's: nothing is to be installed for a test.
    del config["requirements_file"]
    config["runtime"]["predict_concurrency"] = 4
    config["model_metadata"]["outbox"] |= outbox
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    return directory
