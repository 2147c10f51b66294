"""Subtitles in SubRip's format, which every player reads."""

from collections.abc import Iterable
from typing import Any


def srt(segments: Iterable[dict[str, Any]]) -> str:
    """`segments` have a `start` and an `end`, in seconds, and a `text`."""
    return "\n".join(
        f"{number}\n{_clock(one['start'])} --> {_clock(one['end'])}\n{one['text']}\n"
        for number, one in enumerate(segments, start=1)
    )


def _clock(seconds: float) -> str:
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02},{milliseconds % 1000:03}"
