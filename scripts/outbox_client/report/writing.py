"""The report's way out: its file, and its sums as text and as JSON."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..local_files import local_files, write_whole
from ..text import bytes_text, printable
from .failed import remedy
from .survey import Survey


def write(path: Path, page: str) -> None:
    """All of it or nothing. Raises LocalFileError."""
    with local_files():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, page.encode())


def document(seen: Survey) -> dict[str, Any]:
    """Milliseconds are told apart to five per cent."""
    return {
        "job": seen.job,
        "results": seen.results,
        "artifacts": seen.artifacts,
        "artifacts_bytes": seen.artifacts_bytes,
        "unreadable": seen.unreadable,
        "problems": [asdict(problem) for problem in seen.problems],
        "recovered": seen.recovered,
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
        f"{group.count:,} without a result ({group.code}):"
        f" {remedy(group.code, retryable=group.retryable)}"
        for group in seen.failures
    ]
    problems = [printable(f"{one.key}: {one.problem}") for one in seen.problems]
    if more := seen.unreadable - len(problems):
        problems.append(f"and {more:,} more that cannot be read")
    unreadable = f", {seen.unreadable:,} unreadable" if seen.unreadable else ""
    size = bytes_text(seen.artifacts_bytes)
    files = f"{seen.artifacts:,} file(s), {size}"
    return [
        *failures,
        *problems,
        f"job {printable(seen.job)}: {seen.results:,} result(s), {files}{unreadable}",
    ]
