"""Where the words of a line are, from the columns in which the recogniser saw each character."""

import re
from collections.abc import Sequence
from itertools import pairwise

from .reading import Point, Quad, Word

_IDEOGRAPHS = r"\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
_IDEOGRAPH = re.compile(rf"[{_IDEOGRAPHS}]")
_WORD = re.compile(rf"[{_IDEOGRAPHS}]|[^\s{_IDEOGRAPHS}]+")


def needs_space(before: str, after: str) -> bool:
    """Whether white space belongs between two pieces of a line: Chinese and Japanese have none."""
    return not (_IDEOGRAPH.match(before[-1]) and _IDEOGRAPH.match(after[0]))


def is_ideographic(text: str) -> bool:
    """Whether most of it is Chinese or Japanese."""
    return 2 * len(_IDEOGRAPH.findall(text)) > len(text)


def split_words(
    text: str, *, centres: Sequence[float], confidences: Sequence[float], quad: Quad
) -> list[Word]:
    """The words of a line of `text` that lies in `quad`.

    `centres` are the characters' middles as fractions of the line's length; like `confidences`
    they have one number for each character of the text, white space included.
    """
    edges = _edges(centres)
    return [
        Word(
            text=match[0],
            confidence=_mean(confidences[match.start() : match.end()]),
            quad=_part(quad, edges[match.start()][0], edges[match.end() - 1][1]),
            start=match.start(),
        )
        for match in _WORD.finditer(text)
    ]


def _edges(centres: Sequence[float]) -> list[tuple[float, float]]:
    """Each character's start and end: half way to its neighbours, as far at the line's ends."""
    between = [(left + right) / 2 for left, right in pairwise(centres)]
    # The outer characters reach as far out as half the mean distance between two.
    half = (centres[-1] - centres[0]) / (2 * max(len(centres) - 1, 1)) or centres[0]
    starts = [max(centres[0] - half, 0.0), *between]
    ends = [*between, min(centres[-1] + half, 1.0)]
    return list(zip(starts, ends, strict=True))


def _part(quad: Quad, start: float, end: float) -> Quad:
    top_left, top_right, bottom_right, bottom_left = quad
    return (
        _between(top_left, top_right, start),
        _between(top_left, top_right, end),
        _between(bottom_left, bottom_right, end),
        _between(bottom_left, bottom_right, start),
    )


def _between(start: Point, end: Point, fraction: float) -> Point:
    return (
        start[0] + (end[0] - start[0]) * fraction,
        start[1] + (end[1] - start[1]) * fraction,
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
