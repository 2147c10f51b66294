"""The two models, rapidocr's PP-OCR: one finds lines in a picture, the other reads a line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from rapidocr import RapidOCR
from rapidocr.main import RapidOCRError

from truss_outbox.contract.errors import ConfigurationError

from ..settings import InferenceSettings
from .parameters import rapidocr_parameters
from .reading import Pixels

_CUDA = "CUDAExecutionProvider"
_LEAST_SIDE = 32  # of a picture that is searched: the model halves it five times

Box = npt.NDArray[np.float32]
"""Four corners (x, y), clockwise in the picture from its top left."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LineReading:
    """What a picture of one line says. `centres` are the characters' middles as fractions of the
    picture's width; like `confidences` they have one for each character of the text."""

    text: str
    confidence: float
    centres: Sequence[float]
    confidences: Sequence[float]


class Models:
    """For one picture at a time: not for two threads at once.

    Everything is set when rapidocr is constructed, because what is passed to a call sticks to it.
    """

    def __init__(self, ocr: Any) -> None:
        self._ocr = ocr

    def find(self, pixels: Pixels) -> list[Box]:
        """The lines of a picture, in no order that can be relied on: best those 8 to 200 high."""
        try:
            _, detected = self._ocr.detect_and_crop(_not_too_narrow(pixels), {})
        except RapidOCRError:  # there are none
            return []
        return [np.asarray(box, np.float32) for box in detected.boxes]

    def read(self, pictures: Sequence[Pixels]) -> list[LineReading]:
        """Each a line from left to right; without text where there is nothing to read."""
        if not pictures:
            return []
        # Its own __call__ would go on to pair words with lines, which it loses count of where a
        # line is blank, and to give words the confidences of other characters.
        recognised = self._ocr.recognize_txt(list(pictures))
        found = zip(recognised.txts, recognised.scores, recognised.word_results, strict=True)
        return [_reading(text, float(score), characters) for text, score, characters in found]

    def providers(self) -> set[str]:
        """What the models run on; they load when the first text is read."""
        sessions = (self._ocr.text_det.session, self._ocr.text_rec.session)
        return {session.session.get_providers()[0] for session in sessions}


def load_models(settings: InferenceSettings, data_directory: Path) -> Models:
    """Load the models and read a first picture. Raises ConfigurationError."""
    models = Models(RapidOCR(params=rapidocr_parameters(settings, data_directory)))
    picture = _picture_with_text()
    try:
        found = models.find(picture)
        readings = models.read([picture[300:430]])
    except Exception as error:  # the runtime's errors have no base of their own
        raise ConfigurationError("inference", "the weights are not models that can run") from error
    if not found or not readings[0].text:
        raise ConfigurationError("inference", "the weights read nothing from a picture with text")
    if settings.gpu and models.providers() != {_CUDA}:
        raise ConfigurationError(
            "inference.gpu",
            "the models run on the CPU: install onnxruntime-gpu, or set it to false",
        )
    return models


def _picture_with_text() -> Pixels:
    picture = np.full((736, 736, 3), 255, np.uint8)
    cv2.putText(picture, "Outbox", (40, 400), cv2.FONT_HERSHEY_SIMPLEX, 3, (0, 0, 0), 6)
    return picture


def _not_too_narrow(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    below, right = max(_LEAST_SIDE - height, 0), max(_LEAST_SIDE - width, 0)
    if not below and not right:
        return pixels
    padded: Pixels = cv2.copyMakeBorder(pixels, 0, below, 0, right, cv2.BORDER_REPLICATE)
    return padded


def _reading(text: str, score: float, characters: Any) -> LineReading:
    if not text.strip():
        return LineReading(text="", confidence=0.0, centres=(), confidences=())
    columns = _columns(text, characters)
    return LineReading(
        text=text,
        confidence=score,
        centres=[min((column + 0.5) / characters.line_txt_len, 1.0) for column in columns],
        confidences=characters.confs,
    )


def _columns(text: str, characters: Any) -> list[float]:
    """The column of each character; white space, which has none, lies between its neighbours."""
    known = iter([column for word in characters.word_cols for column in word])
    columns = [None if character.isspace() else next(known) for character in text]
    places = [place for place, column in enumerate(columns) if column is not None]
    found = [column for column in columns if column is not None]
    return [float(column) for column in np.interp(range(len(text)), places, found)]
