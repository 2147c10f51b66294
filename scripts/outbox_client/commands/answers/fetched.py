"""What `fetch` answers, and `run` at its end."""

from typing import Any

from truss_outbox.contract.text import printable

from ...fetching.report import FetchReport
from ..progress.totals import grouped_lines, kind_of
from .printing import Streamed


def fetch_document(report: FetchReport) -> dict[str, Any]:
    """Its results are read from disk when it is printed."""
    results = ({"folder": one.pop("place")} | one for one in report.results.documents())
    return {"job": report.job, "results": Streamed(results)}


def fetch_lines(report: FetchReport, *, to: str) -> list[str]:
    problems = [
        (
            kind_of("wrong", result.code),
            f"{printable(result.key)}: {printable(result.problem or '')}",
        )
        for result in report.problems
    ]
    wrong = f", {report.failed} wrong" if problems else ""
    return [
        *grouped_lines(problems),
        f"{report.whole} result(s) in {printable(to)}{wrong}; {report.files} file(s) came anew",
    ]
