"""Lines as plain values: how they come from the process that opens documents."""

from collections.abc import Sequence
from typing import Any

from ..reading.reading import Line, Word

Sent = list[tuple[Any, ...]]


def sent_lines(lines: Sequence[Line] | None) -> Sent | None:
    if lines is None:
        return None
    return [
        (
            line.text,
            line.confidence,
            line.quad,
            [(word.text, word.confidence, word.quad, word.start) for word in line.words],
            line.vertical,
        )
        for line in lines
    ]


def received_lines(sent: Sent | None) -> list[Line] | None:
    if sent is None:
        return None
    return [
        Line(
            text=text,
            confidence=confidence,
            quad=quad,
            words=[
                Word(text=text, confidence=confidence, quad=quad, start=start)
                for text, confidence, quad, start in words
            ],
            vertical=vertical,
        )
        for text, confidence, quad, words, vertical in sent
    ]
