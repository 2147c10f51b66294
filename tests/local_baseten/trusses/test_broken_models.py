"""What the author of a broken model reads: few lines, with the file and the line."""

import contextlib
import re
from pathlib import Path

import httpx
import pytest

from local_baseten.errors import NotRunningError
from local_baseten.running import running_locally
from tests.waiting import until

IMPORT_ERROR = """import skimage.filters


class Model:
    def predict(self, model_input):
        return skimage.filters.gaussian(model_input)
"""
IN_LOAD = """class Model:
    def load(self):
        self.weights = {}["layer1"]

    def predict(self, model_input):
        return model_input
"""
IN_PREDICT = """def mean(values):
    return sum(values) / len(values)


class Model:
    def predict(self, model_input):
        return {"mean": mean(model_input["values"])}
"""
WRONG_TYPE = """class Model:
    def predict(self, model_input):
        return {"labels": {"a", "b"}}
"""
MISSING_FILE = """class Model:
    def load(self):
        self.weights = open("data/weights.bin", "rb").read()

    def predict(self, model_input):
        return model_input
"""
ENDLESS = """class Model:
    def predict(self, model_input):
        steps = 0
        while True:
            steps += 1
"""


def truss(directory: Path, model: str | None) -> Path:
    (directory / "model").mkdir(parents=True)
    (directory / "config.yaml").write_text("python_version: py311\n")
    if model is not None:
        (directory / "model" / "model.py").write_text(model)
    return directory


def events(log: Path) -> list[str]:
    """Of what went wrong, line by line: a line that goes on with an event is indented."""
    found = re.split(r"^(?=\d\d:\d\d:\d\d\.)", log.read_text(), flags=re.MULTILINE)
    wanted = re.compile(r".{13}(ERROR|WARNING)|.*(has run for|tried again|answered)")
    return [line for event in found if wanted.match(event) for line in event.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "what", "place"),
    [
        (IMPORT_ERROR, "No module named 'skimage'", "model.py:1: import skimage"),
        (IN_LOAD, "KeyError: 'layer1'", "model.py:3 in load: self.weights ="),
        (MISSING_FILE, "No such file or directory: 'data/weights.bin'", "model.py:3 in load"),
        (None, "does not come up: ", "/model/model.py does not exist"),
    ],
)
def test_a_model_that_does_not_come_up(tmp_path: Path, model, what, place):
    source = truss(tmp_path / "truss", model)
    with (
        pytest.raises(NotRunningError),
        running_locally(source, state_directory=tmp_path / "state"),
    ):
        pass
    lines = events(tmp_path / "state" / "stand-in.log")
    assert len(lines) <= 5
    assert what in lines[0]
    assert place in "\n".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "what", "place"),
    [
        (IN_PREDICT, "ZeroDivisionError: division by zero", "model.py:2 in mean: return sum("),
        (WRONG_TYPE, "Object of type set", "model.py:2 in predict"),
        (ENDLESS, "a request has run for 10 s", "model.py:"),
    ],
)
def test_a_request_that_does_not_end_well(tmp_path: Path, model, what, place):
    source = truss(tmp_path / "truss", model)
    with running_locally(source, state_directory=tmp_path / "state", finish_seconds=0) as local:
        with contextlib.suppress(httpx.ReadTimeout):
            httpx.post(
                f"{local.base_url}/production/predict",
                headers={"authorization": f"Api-Key {local.api_key}"},
                json={"values": []},
                timeout=20,
            )
        until(lambda: what in local.log.read_text(), "what went wrong")
        until(lambda: place in local.log.read_text(), "where")
        lines = events(local.log)
    assert len(lines) <= 5
    assert any(what in line for line in lines)
