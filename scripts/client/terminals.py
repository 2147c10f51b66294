"""Whether what is written to a stream can be written over."""

import os
from typing import TextIO

_CANNOT = {"dumb", "unknown"}


def can_redraw(stream: TextIO) -> bool:
    return stream.isatty() and os.environ.get("TERM", "").lower() not in _CANNOT
