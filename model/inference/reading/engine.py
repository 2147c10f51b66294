"""Text lines of one page image, by rapidocr's PP-OCR models."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rapidocr import RapidOCR
from rapidocr.utils.process_img import map_boxes_to_original

from truss_outbox.contract.errors import ConfigurationError

from ..settings import InferenceSettings
from .parameters import rapidocr_parameters
from .reading import Line, Pixels, Quad
from .words import split_words

_CUDA = "CUDAExecutionProvider"
_TURNED_LINE = 1.5  # rapidocr turns a line image that is this much taller than wide


class Engine:
    """Reads one page at a time: not for two threads at once.

    Everything is set when rapidocr is constructed, because what is passed to a call sticks to it.
    """

    def __init__(self, ocr: Any) -> None:
        self._ocr = ocr

    def read(self, pixels: Pixels) -> list[Line]:
        """The lines as the models find them, in no order that can be relied on."""
        page = _not_too_narrow(pixels)
        resized, record = self._ocr.preprocess_img(page)
        # Its own __call__ would go on to pair words with lines, which it loses count of where a
        # line is blank, and to give words the confidences of other characters.
        detected, _, recognised, _ = self._ocr.run_ocr_steps(resized, record)
        if detected.boxes is None or recognised.txts is None:
            return []
        boxes = map_boxes_to_original(detected.boxes, record, *page.shape[:2])
        found = zip(boxes, recognised.txts, recognised.scores, recognised.word_results, strict=True)
        return [
            _line(box, text, score, characters)
            for box, text, score, characters in found
            if text.strip()
        ]

    def providers(self) -> set[str]:
        """What the models run on; they load when the first text is read."""
        sessions = (self._ocr.text_det.session, self._ocr.text_rec.session)
        return {session.session.get_providers()[0] for session in sessions}


def load_engine(settings: InferenceSettings, data_directory: Path) -> Engine:
    """Load the models and read a first picture. Raises ConfigurationError."""
    engine = Engine(RapidOCR(params=rapidocr_parameters(settings, data_directory)))
    try:
        lines = engine.read(_picture_with_text())
    except Exception as error:  # the runtime's errors have no base of their own
        raise ConfigurationError("inference", "the weights are not models that can run") from error
    if not lines:
        raise ConfigurationError("inference", "the weights read nothing from a picture with text")
    if settings.gpu and engine.providers() != {_CUDA}:
        raise ConfigurationError(
            "inference.gpu",
            "the models run on the CPU: install onnxruntime-gpu, or set it to false",
        )
    return engine


def _picture_with_text() -> Pixels:
    # rapidocr enlarges what is less than 736 pixels high or wide: a strip would take four times
    # as long to read, and a model as much longer to load.
    picture = np.full((736, 736, 3), 255, np.uint8)
    cv2.putText(picture, "Outbox", (40, 400), cv2.FONT_HERSHEY_SIMPLEX, 3, (0, 0, 0), 6)
    return picture


def _not_too_narrow(pixels: Pixels) -> Pixels:
    """White added below or to the right: rapidocr rounds away, or blows up, a very narrow page."""
    height, width = pixels.shape[:2]
    least = max(32, max(height, width) // 4)
    below, right = max(least - height, 0), max(least - width, 0)
    if not below and not right:
        return pixels
    white = (255, 255, 255)
    padded: Pixels = cv2.copyMakeBorder(
        pixels, 0, below, 0, right, cv2.BORDER_CONSTANT, value=white
    )
    return padded


def _line(box: Sequence[Sequence[float]], text: str, score: float, characters: Any) -> Line:
    quad = _as_read(box)
    columns = _columns(text, characters)
    words = split_words(
        text,
        centres=[min((column + 0.5) / characters.line_txt_len, 1.0) for column in columns],
        confidences=characters.confs,
        quad=quad,
    )
    return Line(text=text, confidence=float(score), quad=quad, words=words)


def _columns(text: str, characters: Any) -> list[float]:
    """The column of each character; white space, which has none, lies between its neighbours."""
    known = iter([column for word in characters.word_cols for column in word])
    columns = [None if character.isspace() else next(known) for character in text]
    places = [place for place, column in enumerate(columns) if column is not None]
    found = [column for column in columns if column is not None]
    return [float(column) for column in np.interp(range(len(text)), places, found)]


def _as_read(box: Sequence[Sequence[float]]) -> Quad:
    corners = [(float(x), float(y)) for x, y in box]
    top_left, top_right, bottom_right, bottom_left = corners
    width = max(_distance(top_left, top_right), _distance(bottom_left, bottom_right))
    height = max(_distance(top_left, bottom_left), _distance(top_right, bottom_right))
    if int(height) >= int(width) * _TURNED_LINE:  # read from its top to its bottom
        return (top_right, bottom_right, bottom_left, top_left)
    return (top_left, top_right, bottom_right, bottom_left)


def _distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    return float(np.hypot(other[0] - one[0], other[1] - one[1]))
