"""The report: one HTML file that needs nothing else, and its sums as text and as JSON."""

import base64
import functools
import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from truss_outbox.contract.text import printable

from ..local_files import local_files, write_whole
from ..text import bytes_text, duration_text, time_text
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
    environment.filters.update(
        printable=printable, duration=duration_text, size=bytes_text, time=time_text
    )
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


def write(path: Path, page: str) -> None:
    """All of it or nothing. Raises LocalFileError."""
    with local_files:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, page.encode())


def document(seen: Survey) -> dict[str, Any]:
    """Milliseconds are told apart to five per cent."""
    names = ("job", "results", "artifacts", "artifacts_bytes", "recovered")
    return {name: getattr(seen, name) for name in (*names, "failed", "canceled")} | {
        "failures": {group.code: group.count for group in seen.failures},
        "timings_ms": {
            step: {
                "count": timings.count,
                "p50": round(timings.quantile(0.5), 1),
                "p90": round(timings.quantile(0.9), 1),
                "p99": round(timings.quantile(0.99), 1),
                "max": round(timings.largest, 1),
            }
            for step, timings in seen.timings.items()
            if timings.count
        },
    }


def lines(seen: Survey) -> list[str]:
    failures = [
        f"{group.count:,} failed ({printable(group.code)}):"
        f" {remedy(group.code, retryable=group.retryable)}"
        for group in seen.failures
    ]
    canceled = f", {seen.canceled:,} canceled" if seen.canceled else ""
    size = bytes_text(seen.artifacts_bytes)
    files = f"{seen.artifacts:,} file(s), {size}"
    return [
        *failures,
        f"job {printable(seen.job)}: {seen.results:,} result(s), {files}{canceled}",
    ]
