"""The report as one HTML file that needs nothing else and does nothing by itself."""

import base64
import functools
import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..text import bytes_text, duration_text, printable, time_text
from .failed import remedy
from .histogram import histogram
from .survey import Survey
from .thumbnails import Thumbnail

_HERE = Path(__file__).parent
_MEANINGS = {
    "queue": "from being accepted to being begun",
    "preprocess": "reading and checking the document",
    "predict": "the inference",
    "upload": "storing the artifacts",
}


def page(seen: Survey, pictures: Sequence[Thumbnail], *, now: datetime) -> str:
    style = (_HERE / "page.css").read_text(encoding="utf-8")
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(
            survey=seen,
            steps=_steps(seen),
            pictures=pictures,
            now=now,
            style=Markup(style),  # noqa: S704  # our own file
            # The page allows itself this style alone, whatever a document's name smuggles in.
            style_digest=_csp_digest(style),
        )
    )


@functools.cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = {
        "printable": printable,
        "duration": duration_text,
        "size": bytes_text,
        "time": time_text,
    }
    environment.filters |= filters
    environment.globals["remedy"] = remedy
    return environment


def _steps(seen: Survey) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "meaning": _MEANINGS[name],
            "timings": timings,
            "chart": histogram(timings.bars()),
        }
        for name, timings in seen.timings.items()
        if timings.count
    ]


def _csp_digest(style: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}"
