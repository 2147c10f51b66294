"""The inference does not come up with a wrong setting, and says which."""

import hashlib
import logging
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from model.inference import load
from tests.ocr.inference.conftest import DATA, encoded
from truss_outbox.contract.errors import ConfigurationError

RECOGNITION = Path(str(files("rapidocr"))) / "models" / "PP-OCRv6_rec_small.onnx"


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"thread": 2}, "inference.thread"),
        ({"threads": 0}, "inference.threads"),
        ({"threads": "2"}, "inference.threads"),
        ({"max_pages": 0}, "inference.max_pages"),
        ({"quality": "best"}, "inference.quality"),
        ({"detection": {"file": "d.onnx"}}, "inference.detection.sha256"),
        ({"detection": {"file": "../d.onnx", "sha256": "0" * 64}}, "inference.detection.file"),
        ({"detection": {"file": "/d.onnx", "sha256": "0" * 64}}, "inference.detection.file"),
    ],
)
def test_a_wrong_setting_is_refused_under_its_name(settings, name):
    with pytest.raises(ConfigurationError) as caught:
        load(settings, DATA)
    assert caught.value.setting == name


def test_weights_of_ones_own_are_used(reader, card, tmp_path):
    shutil.copy(RECOGNITION, tmp_path / "mine.onnx")
    digest = hashlib.sha256(RECOGNITION.read_bytes()).hexdigest()
    inference = load({"recognition": {"file": "mine.onnx", "sha256": digest}}, tmp_path)
    assert len(reader(inference)(encoded(card, "PNG")).lines()) == 3


def test_weights_that_are_not_there_are_named(tmp_path):
    with pytest.raises(ConfigurationError, match=r"data/mine\.onnx is not there"):
        load({"detection": {"file": "mine.onnx", "sha256": "0" * 64}}, tmp_path)


def test_weights_that_have_changed_are_refused(tmp_path):
    (tmp_path / "mine.onnx").write_bytes(b"changed")
    with pytest.raises(ConfigurationError, match="SHA-256"):
        load({"detection": {"file": "mine.onnx", "sha256": "0" * 64}}, tmp_path)


def test_weights_that_are_no_model_are_refused(tmp_path):
    (tmp_path / "mine.onnx").write_bytes(b"not a model")
    digest = hashlib.sha256(b"not a model").hexdigest()
    with pytest.raises(ConfigurationError):
        load({"detection": {"file": "mine.onnx", "sha256": digest}}, tmp_path)


def test_a_gpu_that_is_not_there_is_an_error_and_not_a_slow_model():
    with pytest.raises(ConfigurationError) as caught:
        load({"gpu": True}, DATA)
    assert caught.value.setting == "inference.gpu"


@pytest.mark.slow
def test_loading_and_reading_write_nothing_to_the_terminal(capfd, reader, card):
    reader(load({}, DATA))(encoded(card, "PNG"))
    assert logging.getLogger("RapidOCR").level == logging.CRITICAL
    assert capfd.readouterr() == ("", "")
